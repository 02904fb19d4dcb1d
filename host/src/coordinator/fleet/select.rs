//! Which instances words mean: names of jobs and groups, ids, `NAME/INSTANCE`, `all`.

use super::{Refusal, RefusalKind};
use crate::config::text::escape;
use crate::supervisor::state::InstanceId;
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
}

/// All instances that the words mean, each once. No word means none.
///
/// # Errors
/// A word that means nothing; one sentence, with the nearest name.
pub(super) fn select(named: &impl Named, words: &[String]) -> Result<BTreeSet<InstanceId>, Refusal> {
    let mut selected = BTreeSet::new();
    for word in words {
        selected.extend(one(named, word)?);
    }
    Ok(selected)
}

fn one(named: &impl Named, word: &str) -> Result<Vec<InstanceId>, Refusal> {
    if word == "all" {
        return Ok(named.all());
    }
    if let Some(instances) = named.job(word) {
        return Ok(instances.values().copied().collect());
    }
    if let Ok(id) = word.parse::<InstanceId>() {
        return if named.has_instance(id) { Ok(vec![id]) } else { Err(unknown(format!("there is no instance {id}"))) };
    }
    if let Some((job, number)) = word.split_once('/') {
        let instances = named.job(job).ok_or_else(|| nearest(named, job))?;
        let id = number.parse().ok().and_then(|number: u32| instances.get(&number));
        let missing = || unknown(format!("the job {job} has no instance \"{}\"", escape(number)));
        return id.map(|id| vec![*id]).ok_or_else(missing);
    }
    let jobs = named.group(word);
    if jobs.is_empty() {
        return Err(nearest(named, word));
    }
    Ok(jobs.into_iter().filter_map(|job| named.job(job)).flat_map(|instances| instances.values().copied()).collect())
}

fn unknown(sentence: String) -> Refusal {
    Refusal::new(RefusalKind::NotFound, sentence).with_hint("sandhog ps shows what there is")
}

/// That there is nothing of this name, with the nearest one that there is.
pub(super) fn nearest(named: &impl Named, word: &str) -> Refusal {
    let refusal = unknown(format!("no job and no group is called \"{}\"", escape(word)));
    let names = named.names();
    let near = names.into_iter().map(|name| (strsim::damerau_levenshtein(name, word), name));
    match near.min() {
        // As far as one slip for every three letters.
        Some((slips, name)) if slips * 3 <= word.chars().count() => refusal.with_hint(&format!("did you mean {name}?")),
        Some(_) | None => refusal,
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
    }

    fn selected(words: &[&str]) -> Result<Vec<InstanceId>, Refusal> {
        let api = BTreeMap::from([(0, 4), (1, 7)]);
        let two = Two(BTreeMap::from([("api", api), ("worker", BTreeMap::from([(0, 5)]))]));
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        select(&two, &words).map(|ids| ids.into_iter().collect())
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
