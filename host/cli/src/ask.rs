//! The verbs that ask a daemon for something: `stop`, `restart`, `reload`, `delete`, `scale`, `signal`, `send`.

use super::args::{AskArgs, ScaleArgs, SendArgs, SignalArgs, WaitArgs};
use super::client::Client;
use super::embedded::Failure;
use super::ending::{NOT_ALL, report};
use super::interrupt::Word;
use super::render::problem::Problem;
use super::render::progress::Progress;
use super::{interrupt, render};
use sandhog_daemon::fleet::Verb;
use sandhog_protocol::control::{ScaleRequest, SendReply, SendRequest, VerbRequest, VerbResult};
use sandhog_protocol::exit_code;
use sandhog_spec::text::escape;

/// `stop`, `restart`, `reload`, `delete`.
pub(super) fn run(verb: Verb, args: AskArgs) -> u8 {
    report(Client::connect().and_then(|mut client| {
        let done = ask(&mut client, verb, args.select, waits(args.wait))?;
        Ok(end(verb, &done, args.json))
    }))
}

/// Asks, and waits with a line that says for what.
pub(super) fn ask(client: &mut Client, verb: Verb, select: Vec<String>, wait: bool) -> Result<VerbResult, Failure> {
    let words = words(verb);
    let _line = waiting(wait, words.doing, &select.join(" "));
    let ask = VerbRequest { select, wait, signal: None };
    if wait { client.post_and_wait(words.path, &ask) } else { client.post(words.path, &ask) }
}

/// `scale`.
pub(super) fn scale(args: ScaleArgs) -> u8 {
    report(try_scale(args))
}

fn try_scale(args: ScaleArgs) -> Result<u8, Failure> {
    let wait = waits(args.wait);
    let _line = waiting(wait, "scaling", &args.job);
    let job = args.job.clone();
    let scale = ScaleRequest { job: args.job, instances: args.instances, wait };
    let mut client = Client::connect()?;
    let (path, wait) = ("/v1/scale", scale.wait);
    let done: VerbResult = if wait { client.post_and_wait(path, &scale) } else { client.post(path, &scale) }?;
    if !args.json && args.instances == 0 && done.unchanged.is_empty() {
        let text = format!("{0}: has no instance now, and stays: sandhog start {0} brings it up again\n", escape(&job));
        return Ok(shown(render::answer(text.as_bytes()), &done, FAILED, HINT));
    }
    Ok(show(&done, args.json, FAILED, HINT))
}

/// `signal`.
pub(super) fn signal(args: SignalArgs) -> u8 {
    report(try_signal(args))
}

fn try_signal(args: SignalArgs) -> Result<u8, Failure> {
    let signal = args.signal.to_ascii_uppercase();
    let signal = signal.strip_prefix("SIG").unwrap_or(&signal).to_owned();
    let ask = VerbRequest { select: vec![args.select], wait: false, signal: Some(signal) };
    let done: VerbResult = Client::connect()?.post(words(Verb::Signal).path, &ask)?;
    Ok(end(Verb::Signal, &done, args.json))
}

/// `send`.
pub(super) fn send(args: SendArgs) -> u8 {
    report(try_send(args))
}

fn try_send(args: SendArgs) -> Result<u8, Failure> {
    check_message(&args.message)?;
    let wait_ms = args.wait.map_or(0, sandhog_spec::units::millis);
    let _line = waiting(wait_ms > 0, "waiting for an answer of", &args.select);
    let send = SendRequest { select: vec![args.select], message: args.message, wait_ms };
    // Also without an answer it takes until the job has read it.
    let answers: Vec<SendReply> = Client::connect()?.post_and_wait("/v1/send", &send)?;
    let shown = if args.json {
        render::answer_json(&answers)
    } else {
        render::answer(render::done::answers(&answers).as_bytes())
    };
    let all_well = answers.iter().all(|answer| answer.error.is_none());
    Ok(if all_well { shown } else { NOT_ALL.max(shown) })
}

/// A message that is no JSON is better known before it travels.
fn check_message(message: &str) -> Result<(), Failure> {
    let check = serde_json::from_str::<serde::de::IgnoredAny>(message);
    check.map(drop).map_err(|error| Failure {
        problem: Problem::new(format!("the message is not JSON: {error}"))
            .with_hint("put a text in quotes of its own: sandhog send web '\"hello\"'"),
        code: exit_code::REFUSED,
    })
}

/// What a verb does, for those who watch.
pub(super) const fn doing(verb: Verb) -> &'static str {
    words(verb).doing
}

const FAILED: &str = "not all went well";

const HINT: &str = "sandhog ps says how they are, sandhog events what has happened";

/// How a verb is spoken of.
struct Words {
    path: &'static str,
    doing: &'static str,
    failed: &'static str,
}

const fn words(verb: Verb) -> Words {
    const fn words(path: &'static str, doing: &'static str, failed: &'static str) -> Words {
        Words { path, doing, failed }
    }
    match verb {
        Verb::Start => words("/v1/start", "starting", "not all have been started"),
        Verb::Stop => words("/v1/stop", "stopping", "not all have been stopped"),
        Verb::Restart => words("/v1/restart", "restarting", "not all have been restarted"),
        Verb::Reload => words("/v1/reload", "reloading", "not all have been reloaded; the others stay as they were"),
        Verb::Delete => words("/v1/delete", "deleting", "not all have been deleted"),
        Verb::Signal => words("/v1/signal", "signalling", "not all got the signal"),
    }
}

/// A line for as long as it takes, and a word for whoever does not want to wait.
fn waiting(wait: bool, doing: &str, what: &str) -> Option<Progress> {
    wait.then(|| {
        interrupt::says(Word { what: "not waited for: the daemon goes on with it", hint: HINT });
        Progress::start(&format!("{doing} {what}"))
    })
}

/// Shows what came of a verb; returns the exit code.
pub(super) fn end(verb: Verb, done: &VerbResult, json: bool) -> u8 {
    show(done, json, words(verb).failed, HINT)
}

/// Shows what is done, and on stderr what is not.
pub(super) fn show(done: &VerbResult, json: bool, failed: &str, hint: &str) -> u8 {
    let code = if json { render::answer_json(done) } else { render::answer(render::done::text(done).as_bytes()) };
    shown(code, done, failed, hint)
}

/// Says on stderr what is not done; `code`: the exit code of what was shown.
fn shown(code: u8, done: &VerbResult, failed: &str, hint: &str) -> u8 {
    if done.problems.is_empty() {
        return code;
    }
    render::report(&render::done::problems(failed, &done.problems, hint));
    NOT_ALL.max(code)
}

/// Whether to wait: what people expect of a command that is over.
pub(super) fn waits(wait: WaitArgs) -> bool {
    !wait.no_wait
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_no_json_says_what_to_write() {
        assert!(check_message("{\"a\": [1, 2]}").is_ok());
        let failure = check_message("hello\x1b").err().unwrap();
        let text = failure.problem.to_text(false);
        assert!(text.starts_with("sandhog: the message is not JSON: "), "{text}");
        assert!(text.contains("put a text in quotes") && !text.contains('\x1b'), "{text}");
    }
}
