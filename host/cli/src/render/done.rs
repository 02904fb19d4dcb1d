//! What became of a request: changes, instances, problems, answers.

use super::phase;
use super::problem::Problem;
use sandhog_protocol::control::{Change, ChangeKind, Instance, SendReply, Unchanged, VerbResult};
use sandhog_spec::text::escape;
use std::collections::{BTreeMap, BTreeSet};

/// A line for each job that an `up` concerns, as it is done or would be.
pub fn changes(changes: &[Change], dry_run: bool) -> String {
    if changes.is_empty() {
        return "nothing to do: there is no job\n".into();
    }
    changes.iter().map(|change| line(change, dry_run)).collect()
}

fn line(change: &Change, dry_run: bool) -> String {
    let what = match (change.change, dry_run) {
        (ChangeKind::Create, false) => "created",
        (ChangeKind::Create, true) => "would be created",
        (ChangeKind::Keep, false) => "kept as it is",
        (ChangeKind::Keep, true) => "would be kept as it is",
        (ChangeKind::Change, false) => "changed",
        (ChangeKind::Change, true) => "would be changed",
        (ChangeKind::Delete, false) => "deleted",
        (ChangeKind::Delete, true) => "would be deleted",
        (ChangeKind::Unknown(word), _) => &word.to_string(),
    };
    let keys: Vec<_> = change.keys.iter().map(|key| escape(key)).collect();
    let keys = if keys.is_empty() { String::new() } else { format!(": {}", keys.join(", ")) };
    format!("{}: {what}{keys}\n", escape(&change.job))
}

/// What a verb did, to jobs and to instances, and for which of them there was nothing to do.
pub fn text(done: &VerbResult) -> String {
    let mut text = if done.changes.is_empty() { String::new() } else { changes(&done.changes, false) };
    // Of a job that is deleted nothing more is of interest.
    if done.changes.iter().all(|change| change.change != ChangeKind::Delete) {
        let known: BTreeSet<_> = done.unchanged.iter().map(|one| (one.job.as_str(), one.instance)).collect();
        let is_known = |one: &Instance, instance| known.contains(&(one.job.as_str(), instance));
        let is_new = |one: &&Instance| !is_known(one, None) && !is_known(one, Some(one.instance));
        text += &instances(&done.instances.iter().filter(is_new).collect::<Vec<_>>());
    }
    text += &unchanged(&done.unchanged);
    if text.is_empty() && done.problems.is_empty() { "nothing to do: there is no job\n".into() } else { text }
}

/// A line for each, such as `web/0: it runs already`; of many, how many there are.
fn unchanged(unchanged: &[Unchanged]) -> String {
    if unchanged.len() > EACH {
        return format!("nothing to do for {}\n", unchanged.len());
    }
    let line = |one: &Unchanged| {
        let instance = one.instance.map(|instance| format!("/{instance}")).unwrap_or_default();
        format!("{}{instance}: nothing to do: {}\n", escape(&one.job), escape(&one.reason))
    };
    unchanged.iter().map(line).collect()
}

/// As many lines as are read.
const EACH: usize = 20;

/// A line for each instance, such as `web/0: running`; of many, how many there are of each state.
fn instances(instances: &[&Instance]) -> String {
    if instances.len() <= EACH {
        let line = |one: &&Instance| format!("{}: {}\n", escape(&phase::label(one)), phase::state(one));
        return instances.iter().map(line).collect();
    }
    let mut counts = BTreeMap::<_, usize>::new();
    for instance in instances {
        *counts.entry(instance.phase).or_default() += 1;
    }
    counts.into_iter().map(|(phase, count)| format!("{count} {phase}\n")).collect()
}

/// How many have become ready.
pub fn ready(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "ready: 1 instance\n".into(),
        many => format!("ready: {many} instances\n"),
    }
}

/// Sentences about what went wrong with some, as one message.
pub fn problems(what: &str, problems: &[String], hint: &str) -> Problem {
    /// Most of them that are shown: a screen.
    const SHOWN: usize = 20;
    let problem = problems.iter().take(SHOWN).fold(Problem::new(what), Problem::with_detail);
    let problem = match problems.len().saturating_sub(SHOWN) {
        0 => problem,
        more => problem.with_detail(format!("and {more} more: --json has them all")),
    };
    problem.with_hint(hint)
}

/// A line for each instance that was sent something: what it answered, or why not.
pub fn answers(answers: &[SendReply]) -> String {
    if answers.is_empty() {
        return "nothing to do: there is no instance\n".into();
    }
    let line = |answer: &SendReply| {
        let said = match (&answer.error, &answer.message) {
            (Some(error), _) => escape(error).into_owned(),
            (None, Some(message)) => escape(message).into_owned(),
            (None, None) => "sent".into(),
        };
        format!("{}/{}: {said}\n", escape(&answer.job), answer.instance)
    };
    answers.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_says_what_would_change() {
        let change = |job: &str, change, keys: &[&str]| Change {
            job: job.into(),
            change,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let list = [
            change("web", ChangeKind::Change, &["memory", "env"]),
            change("db", ChangeKind::Keep, &[]),
            change("cron\n", ChangeKind::Create, &[]),
            change("old", ChangeKind::Delete, &[]),
        ];
        assert_eq!(
            changes(&list, true),
            "web: would be changed: memory, env\ndb: would be kept as it is\ncron\\n: would be created\n\
             old: would be deleted\n"
        );
        assert!(changes(&list, false).starts_with("web: changed: memory, env\ndb: kept as it is\n"));
    }

    #[test]
    fn many_instances_are_counted() {
        use super::super::samples::{instance, running};
        use sandhog_protocol::control::Phase;
        let mut list: Vec<_> = (0..2).map(|id| running(id, "web")).collect();
        assert_eq!(instances(&list.iter().collect::<Vec<_>>()), "web/0: running\nweb/0: running\n");
        list.extend((0..30).map(|id| instance(id, "cron", Phase::Stopped)));
        assert_eq!(instances(&list.iter().collect::<Vec<_>>()), "2 running\n30 stopped\n");
    }

    #[test]
    fn what_had_nothing_to_do_says_so_and_is_named_once() {
        use super::super::samples::running;
        let one = |job: &str, instance, reason: &str| Unchanged { job: job.into(), instance, reason: reason.into() };
        let unchanged = vec![one("web", Some(0), "it runs already"), one("db\n", None, "it has no instance")];
        let done =
            VerbResult { instances: vec![running(1, "web"), running(2, "api")], unchanged, ..VerbResult::default() };
        assert_eq!(
            text(&done),
            "api/0: running\nweb/0: nothing to do: it runs already\ndb\\n: nothing to do: it has no instance\n"
        );
        assert_eq!(text(&VerbResult::default()), "nothing to do: there is no job\n");
    }

    #[test]
    fn an_answer_is_a_line() {
        let answer = |message: Option<&str>, error: Option<&str>| SendReply {
            id: 1,
            job: "web".into(),
            instance: 2,
            message: message.map(Into::into),
            error: error.map(Into::into),
        };
        let list =
            [answer(Some("{\"ok\":true}"), None), answer(None, None), answer(None, Some("not sent: it is stopped"))];
        assert_eq!(answers(&[]), "nothing to do: there is no instance\n");
        assert_eq!(answers(&list), "web/2: {\"ok\":true}\nweb/2: sent\nweb/2: not sent: it is stopped\n");
    }

    #[test]
    fn of_many_problems_a_screen_is_shown() {
        let many: Vec<_> = (0..50).map(|n| format!("web/{n}: no")).collect();
        let text = problems("not all are ready", &many, "look").to_text(false);
        assert_eq!(text.lines().count(), 23);
        assert!(text.contains("and 30 more"), "{text}");
    }
}
