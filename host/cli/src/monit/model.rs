//! What is shown, and what happens to it. Pure: time and news come in, and what is to be done goes out.

use crate::render::phase;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use sandhog_daemon::fleet::Verb;
use sandhog_protocol::control::{Instance, JobSummary, LogLine};
use std::collections::{BTreeMap, VecDeque};

/// How many samples are kept of an instance: two minutes, and the width of a wide screen.
const SAMPLES: usize = 120;

/// How far one goes by a page.
const PAGE: isize = 10;

/// What happens.
pub(super) enum Message {
    Key(KeyEvent),
    /// The terminal has another size: a new picture is all that it takes.
    Resized,
    /// How everything is, and the log of what was looked at.
    Seen {
        instances: Vec<Instance>,
        empty: Vec<JobSummary>,
        of: String,
        log: Vec<LogLine>,
    },
    /// What came of something that was asked for.
    Notice(String),
    /// The daemon does not answer, and why.
    Lost(String),
    Quit,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// Show the log of this one from now on.
    Look(String),
    Ask(Verb, String),
    Quit,
}

/// Samples of an instance, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    pub cpu_permille: VecDeque<u64>,
    pub memory_bytes: VecDeque<u64>,
}

impl History {
    /// A full processor, or more where it was more.
    pub(super) fn most_cpu(&self) -> u64 {
        self.cpu_permille.iter().copied().max().unwrap_or(0).max(1000)
    }

    pub(super) fn most_memory(&self) -> u64 {
        self.memory_bytes.iter().copied().max().unwrap_or(0).max(1)
    }
}

pub(super) struct Model {
    pub now_ms: u64,
    pub instances: Vec<Instance>,
    /// Jobs that have no instance.
    pub empty: Vec<JobSummary>,
    pub history: BTreeMap<u64, History>,
    /// The id of the one that is looked at.
    pub selected: Option<u64>,
    pub log: Vec<LogLine>,
    /// Whether new lines are shown as they come.
    pub follows: bool,
    /// The job that is to be deleted, if the answer is yes.
    pub question: Option<String>,
    pub help: bool,
    pub said: Option<String>,
    pub lost: Option<String>,
    /// Nothing has been seen yet.
    pub is_new: bool,
}

impl Model {
    pub(super) fn new() -> Self {
        Self {
            now_ms: 0,
            instances: Vec::new(),
            empty: Vec::new(),
            history: BTreeMap::new(),
            selected: None,
            log: Vec::new(),
            follows: true,
            question: None,
            help: false,
            said: None,
            lost: None,
            is_new: true,
        }
    }

    /// The place of the selected one in the list.
    pub(super) fn selected_index(&self) -> Option<usize> {
        self.instances.iter().position(|instance| Some(instance.id) == self.selected)
    }

    pub(super) fn current(&self) -> Option<&Instance> {
        self.selected_index().and_then(|index| self.instances.get(index))
    }

    fn label(&self) -> Option<String> {
        self.current().map(phase::label)
    }

    /// Selects the one at this place, or the last one.
    fn select(&mut self, index: usize) -> Effect {
        let last = self.instances.len().saturating_sub(1);
        let id = self.instances.get(index.min(last)).map(|instance| instance.id);
        if id == self.selected {
            return Effect::None;
        }
        self.selected = id;
        self.log.clear();
        self.follows = true;
        self.label().map_or(Effect::None, Effect::Look)
    }

    fn go(&mut self, steps: isize) -> Effect {
        let index = self.selected_index().unwrap_or(0);
        self.select(index.saturating_add_signed(steps))
    }
}

/// Takes in what happens.
pub(super) fn update(model: &mut Model, message: Message) -> Effect {
    match message {
        Message::Key(key) if key.kind == KeyEventKind::Release => Effect::None,
        Message::Key(key) => press(model, key),
        Message::Resized => Effect::None,
        Message::Seen { instances, empty, of, log } => {
            model.empty = empty;
            see(model, instances, &of, log)
        }
        Message::Notice(text) => {
            model.said = Some(text);
            Effect::None
        }
        Message::Lost(reason) => {
            model.lost = Some(reason);
            Effect::None
        }
        Message::Quit => Effect::Quit,
    }
}

fn see(model: &mut Model, instances: Vec<Instance>, of: &str, log: Vec<LogLine>) -> Effect {
    (model.lost, model.is_new) = (None, false);
    let index = model.selected_index().unwrap_or(0);
    remember(&mut model.history, &instances);
    model.instances = instances;
    if model.current().is_none() {
        return model.select(index);
    }
    if model.follows && model.label().as_deref() == Some(of) {
        model.log = log;
    }
    Effect::None
}

/// Adds a sample of each, and forgets those that are gone.
fn remember(history: &mut BTreeMap<u64, History>, instances: &[Instance]) {
    let mut old = std::mem::take(history);
    for instance in instances {
        let mut one = old.remove(&instance.id).unwrap_or_default();
        let add = |samples: &mut VecDeque<u64>, value: u64| {
            samples.push_back(value);
            samples.drain(..samples.len().saturating_sub(SAMPLES));
        };
        add(&mut one.cpu_permille, instance.cpu_permille.unwrap_or(0).into());
        add(&mut one.memory_bytes, instance.memory_bytes.unwrap_or(0));
        history.insert(instance.id, one);
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of all keys some have a meaning")]
fn press(model: &mut Model, key: KeyEvent) -> Effect {
    model.said = None;
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Effect::Quit;
    }
    if let Some(job) = model.question.take() {
        let yes = matches!(key.code, KeyCode::Char('y' | 'Y'));
        return if yes { Effect::Ask(Verb::Delete, job) } else { Effect::None };
    }
    if std::mem::take(&mut model.help) {
        return Effect::None;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Effect::Quit,
        KeyCode::Char('?' | 'h') => {
            model.help = true;
            Effect::None
        }
        KeyCode::Char('f') => {
            model.follows = !model.follows;
            Effect::None
        }
        KeyCode::Char('x') => {
            model.question = model.current().map(|instance| instance.job.clone());
            Effect::None
        }
        other => act_or_move(model, other),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of all keys some have a meaning")]
fn act_or_move(model: &mut Model, code: KeyCode) -> Effect {
    let ask = |verb| model.label().map_or(Effect::None, |label| Effect::Ask(verb, label));
    match code {
        KeyCode::Char('s') => ask(Verb::Stop),
        KeyCode::Char('r') => ask(Verb::Restart),
        KeyCode::Char('l') => ask(Verb::Reload),
        KeyCode::Up | KeyCode::Char('k') => model.go(-1),
        KeyCode::Down | KeyCode::Char('j') => model.go(1),
        KeyCode::PageUp => model.go(-PAGE),
        KeyCode::PageDown => model.go(PAGE),
        KeyCode::Home | KeyCode::Char('g') => model.select(0),
        KeyCode::End | KeyCode::Char('G') => model.select(usize::MAX),
        _ => Effect::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples::{line, running};
    use sandhog_protocol::control::LogStream;

    fn key(character: char) -> Message {
        Message::Key(KeyCode::Char(character).into())
    }

    fn seen(ids: &[u64]) -> Message {
        let instances = ids.iter().map(|id| running(*id, &format!("job{id}"))).collect();
        Message::Seen { instances, empty: Vec::new(), of: String::new(), log: Vec::new() }
    }

    fn model(ids: &[u64]) -> Model {
        let mut model = Model::new();
        update(&mut model, seen(ids));
        model
    }

    #[test]
    fn the_first_one_is_selected_and_its_log_is_looked_at() {
        let mut model = Model::new();
        assert_eq!(update(&mut model, seen(&[1, 2])), Effect::Look("job1/0".into()));
        assert_eq!(model.selected, Some(1));
    }

    #[test]
    fn one_moves_by_arrows_and_letters_and_not_beyond_the_ends() {
        let mut model = model(&[1, 2, 3]);
        assert_eq!(update(&mut model, key('j')), Effect::Look("job2/0".into()));
        assert_eq!(update(&mut model, Message::Key(KeyCode::Down.into())), Effect::Look("job3/0".into()));
        assert_eq!(update(&mut model, key('j')), Effect::None);
        assert_eq!(update(&mut model, Message::Key(KeyCode::PageUp.into())), Effect::Look("job1/0".into()));
        assert_eq!(update(&mut model, key('k')), Effect::None);
        assert_eq!(update(&mut model, key('G')), Effect::Look("job3/0".into()));
    }

    #[test]
    fn the_selection_stays_with_its_instance_and_falls_back_to_its_place() {
        let mut model = model(&[1, 2, 3]);
        update(&mut model, key('j'));
        assert_eq!(update(&mut model, seen(&[0, 1, 2, 3])), Effect::None);
        assert_eq!(model.selected, Some(2));
        assert_eq!(update(&mut model, seen(&[0, 1, 3])), Effect::Look("job3/0".into()));
        assert_eq!(update(&mut model, seen(&[])), Effect::None);
        assert_eq!(model.selected, None);
        assert_eq!(update(&mut model, key('s')), Effect::None);
    }

    #[test]
    fn keys_ask_for_the_selected_instance() {
        let mut model = model(&[1]);
        assert_eq!(update(&mut model, key('s')), Effect::Ask(Verb::Stop, "job1/0".into()));
        assert_eq!(update(&mut model, key('r')), Effect::Ask(Verb::Restart, "job1/0".into()));
        assert_eq!(update(&mut model, key('l')), Effect::Ask(Verb::Reload, "job1/0".into()));
    }

    #[test]
    fn to_delete_takes_a_yes() {
        let mut model = model(&[1]);
        assert_eq!(update(&mut model, key('x')), Effect::None);
        assert_eq!(model.question.as_deref(), Some("job1"));
        assert_eq!(update(&mut model, key('n')), Effect::None);
        assert_eq!(model.question, None);
        update(&mut model, key('x'));
        assert_eq!(update(&mut model, key('y')), Effect::Ask(Verb::Delete, "job1".into()));
    }

    #[test]
    fn help_goes_with_any_key_and_quitting_has_three() {
        let mut model = model(&[1]);
        update(&mut model, key('?'));
        assert!(model.help);
        assert_eq!(update(&mut model, key('q')), Effect::None);
        assert!(!model.help);
        assert_eq!(update(&mut model, key('q')), Effect::Quit);
        assert_eq!(update(&mut model, Message::Key(KeyCode::Esc.into())), Effect::Quit);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(update(&mut model, Message::Key(ctrl_c)), Effect::Quit);
    }

    #[test]
    fn a_log_that_is_not_followed_stands_still_and_that_of_another_one_is_not_shown() {
        let mut model = model(&[1, 2]);
        let log = |text: &str, of: &str| Message::Seen {
            empty: Vec::new(),
            instances: vec![running(1, "job1"), running(2, "job2")],
            of: of.into(),
            log: vec![line("job1", LogStream::Out, text)],
        };
        update(&mut model, log("one", "job1/0"));
        assert_eq!(model.log[0].text, "one");
        update(&mut model, log("of another", "job2/0"));
        assert_eq!(model.log[0].text, "one");
        update(&mut model, key('f'));
        update(&mut model, log("two", "job1/0"));
        assert_eq!(model.log[0].text, "one");
        update(&mut model, key('f'));
        update(&mut model, log("three", "job1/0"));
        assert_eq!(model.log[0].text, "three");
    }

    #[test]
    fn samples_are_bounded_and_go_with_their_instance() {
        let mut model = model(&[1, 2]);
        for _ in 0..500 {
            update(&mut model, seen(&[1]));
        }
        assert_eq!(model.history.len(), 1);
        assert_eq!(model.history[&1].cpu_permille.len(), SAMPLES);
    }
}
