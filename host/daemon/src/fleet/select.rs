//! Which jobs and instances words mean: names of jobs and groups, ids, `NAME/INSTANCE`, `all`. A job is meant as a whole
//! where its name, its group's or `all` is said, also if it has no instance.

use super::refusal::{Refusal, RefusalKind};
use sandhog_spec::nearest::nearest;
use sandhog_spec::text::escape;
use sandhog_supervisor::state::InstanceId;
use std::collections::{BTreeMap, BTreeSet};

/// What can be meant. Borrowed from whoever owns the jobs.
pub(super) trait Named {
    /// A job's instances by their numbers.
    fn job(&self, name: &str) -> Option<&BTreeMap<u32, InstanceId>>;
    /// The names of a group's jobs.
    fn group(&self, name: &str) -> Vec<&str>;
    fn has_instance(&self, id: InstanceId) -> bool;
    fn all(&self) -> Vec<InstanceId>;
    /// Names to guess from.
    fn names(&self) -> Vec<&str>;
    /// The names of all jobs.
    fn jobs(&self) -> Vec<&str>;
    /// The instances of a job that is deleted, as long as one of them stops; none: there is no such job.
    fn leaving(&self, job: &str) -> Vec<InstanceId>;
}

/// What words mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selected {
    /// Each once, in the order of their ids.
    pub ids: BTreeSet<InstanceId>,
    /// Jobs that are meant as a whole.
    pub jobs: BTreeSet<String>,
    /// Those of `ids` that are meant by their own names, or by those of their jobs, and not only as some of many.
    pub by_name: BTreeSet<InstanceId>,
}

impl Selected {
    fn by_name(&mut self, ids: impl IntoIterator<Item = InstanceId>) {
        for id in ids {
            self.ids.insert(id);
            self.by_name.insert(id);
        }
    }
}

/// All that the words mean. No word means nothing.
///
/// # Errors
/// A word that means nothing; one sentence, with the nearest name.
pub(super) fn select(named: &impl Named, words: &[String]) -> Result<Selected, Refusal> {
    let mut selected = Selected::default();
    for word in words {
        add(named, word, &mut selected)?;
    }
    Ok(selected)
}

fn add(named: &impl Named, word: &str, selected: &mut Selected) -> Result<(), Refusal> {
    if word == "all" {
        selected.ids.extend(named.all());
        selected.jobs.extend(named.jobs().into_iter().map(str::to_owned));
        return Ok(());
    }
    if let Some(instances) = named.job(word) {
        selected.by_name(instances.values().copied());
        selected.jobs.insert(word.to_owned());
        return Ok(());
    }
    if let Ok(id) = word.parse::<InstanceId>() {
        let is_there = named.has_instance(id);
        selected.by_name(is_there.then_some(id));
        return if is_there { Ok(()) } else { Err(unknown(format!("there is no instance {id}"))) };
    }
    if let Some((job, number)) = word.split_once('/') {
        let instances = named.job(job).ok_or_else(|| nothing_called(named, job))?;
        let id = number.parse().ok().and_then(|number: u32| instances.get(&number).copied());
        selected.by_name(id);
        let missing = || unknown(format!("the job {job} has no instance \"{}\"", escape(number)));
        return id.map(drop).ok_or_else(missing);
    }
    let jobs = named.group(word);
    let leaving = named.leaving(word);
    if jobs.is_empty() && leaving.is_empty() {
        return Err(nothing_called(named, word));
    }
    selected.by_name(leaving);
    for job in jobs {
        selected.ids.extend(named.job(job).into_iter().flat_map(|instances| instances.values().copied()));
        selected.jobs.insert(job.to_owned());
    }
    Ok(())
}

fn unknown(sentence: String) -> Refusal {
    Refusal::new(RefusalKind::NotFound, sentence).with_hint("sandhog ps shows what there is")
}

/// That there is nothing of this name, with the nearest one that there is.
pub(super) fn nothing_called(named: &impl Named, word: &str) -> Refusal {
    let refusal = unknown(format!("no job and no group is called \"{}\"", escape(word)));
    match nearest(word, named.names()) {
        Some(near) => refusal.with_hint(&format!("did you mean {near}?")),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Two(BTreeMap<&'static str, BTreeMap<u32, InstanceId>>);

    impl Named for Two {
        fn job(&self, name: &str) -> Option<&BTreeMap<u32, InstanceId>> {
            self.0.get(name)
        }
        fn group(&self, name: &str) -> Vec<&str> {
            if name == "shop" { self.0.keys().copied().collect() } else { Vec::new() }
        }
        fn has_instance(&self, id: InstanceId) -> bool {
            self.all().contains(&id)
        }
        fn all(&self) -> Vec<InstanceId> {
            self.0.values().flat_map(|ids| ids.values().copied()).collect()
        }
        fn names(&self) -> Vec<&str> {
            self.0.keys().copied().collect()
        }
        fn jobs(&self) -> Vec<&str> {
            self.names()
        }
        fn leaving(&self, job: &str) -> Vec<InstanceId> {
            if job == "old" { vec![3] } else { Vec::new() }
        }
    }

    fn named() -> Two {
        let api = BTreeMap::from([(0, 4), (1, 7)]);
        Two(BTreeMap::from([("api", api), ("worker", BTreeMap::from([(0, 5)])), ("zero", BTreeMap::new())]))
    }

    fn selected(words: &[&str]) -> Result<Vec<InstanceId>, Refusal> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        select(&named(), &words).map(|selected| selected.ids.into_iter().collect())
    }

    #[test]
    fn a_job_is_meant_as_a_whole_by_its_name_its_group_or_all_also_without_an_instance() {
        for (words, jobs, by_name) in [
            (&["zero"][..], &["zero"][..], &[][..]),
            (&["api"], &["api"], &[4, 7]),
            (&["api/0", "7"], &[], &[4, 7]),
            (&["shop"], &["api", "worker", "zero"], &[]),
            (&["all", "5"], &["api", "worker", "zero"], &[5]),
            (&["old"], &[], &[3]),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let selected = select(&named(), &words).unwrap();
            assert_eq!(selected.jobs.iter().collect::<Vec<_>>(), jobs, "{words:?}");
            assert_eq!(selected.by_name.into_iter().collect::<Vec<_>>(), by_name, "{words:?}");
        }
    }

    #[test]
    fn a_word_is_a_job_an_id_an_instance_a_group_or_all() {
        for (words, ids) in [
            (&["api"][..], &[4, 7][..]),
            (&["5"], &[5]),
            (&["api/1"], &[7]),
            (&["shop"], &[4, 5, 7]),
            (&["all"], &[4, 5, 7]),
            (&["api", "7", "api/0"], &[4, 7]),
            (&[], &[]),
        ] {
            assert_eq!(selected(words).unwrap(), ids, "{words:?}");
        }
    }

    #[test]
    fn a_word_that_means_nothing_is_told_with_the_nearest_name() {
        let problem = |word: &str| selected(&[word]).unwrap_err().problem;
        assert_eq!(problem("wroker").error, "no job and no group is called \"wroker\"");
        assert_eq!(problem("wroker").hint.unwrap(), "did you mean worker?");
        assert_eq!(problem("9").error, "there is no instance 9");
        assert_eq!(problem("api/2").error, "the job api has no instance \"2\"");
        assert_eq!(problem("a\x1b[2J/2").error, "no job and no group is called \"a\\u{1b}[2J\"");
        assert_eq!(problem("zebra").hint.unwrap(), "sandhog ps shows what there is");
    }
}
