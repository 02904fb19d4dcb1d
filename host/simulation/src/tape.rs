//! The choices of one world, as they are made: by a seed, or as an earlier tape has them.

use std::collections::VecDeque;

/// Lines of a story that are kept: those before a failure.
const STORY_LINES: usize = 400;

/// What a world has chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices {
    pub(crate) numbers: Vec<u64>,
    /// Where in `numbers` something begins that may be left out as a whole.
    pub(crate) steps: Vec<usize>,
}

enum Source {
    /// SplitMix64 (Steele, Lea, Flood, 2014): its state.
    Seed(u64),
    /// An earlier tape.
    Given(Given),
}

/// An earlier tape, as it is read. A step reads the numbers of its own place on that tape alone: where it takes more or fewer of
/// them than it took then, those behind it are not moved.
struct Given {
    choices: Choices,
    /// Of the numbers.
    used: usize,
    /// Steps that have begun.
    begun: usize,
}

impl Given {
    /// None: the step has no more.
    fn next(&mut self) -> Option<u64> {
        let number = self.choices.numbers[..self.end()].get(self.used).copied()?;
        self.used += 1;
        Some(number)
    }

    /// Of the step that is read. A tape without steps is one step.
    fn end(&self) -> usize {
        self.choices.steps.get(self.begun).copied().unwrap_or(self.choices.numbers.len())
    }

    fn begin_step(&mut self) {
        if !self.choices.steps.is_empty() {
            self.used = self.end();
            self.begun += 1;
        }
    }

    /// Not one number is left, of any step.
    fn is_over(&self) -> bool {
        self.used >= self.choices.numbers.len()
    }
}

/// What becomes of what a world tells.
enum Story {
    None,
    Printed,
    Kept(VecDeque<String>),
}

pub(crate) struct Tape {
    source: Source,
    choices: Choices,
    story: Story,
    /// Numbers that were chosen before the tape was over, if it was: those past its end follow from them.
    chosen: Option<usize>,
    /// Whose turn it is, once the numbers are used up.
    turn: u64,
}

impl Tape {
    pub(crate) fn of_seed(seed: u64) -> Self {
        Self::new(Source::Seed(seed))
    }

    pub(crate) fn again(choices: Choices) -> Self {
        Self::new(Source::Given(Given { choices, used: 0, begun: 0 }))
    }

    fn new(source: Source) -> Self {
        Self { source, choices: Choices::default(), story: Story::None, chosen: None, turn: 0 }
    }

    pub(crate) fn printing(self) -> Self {
        Self { story: Story::Printed, ..self }
    }

    pub(crate) fn keeping(self) -> Self {
        Self { story: Story::Kept(VecDeque::new()), ..self }
    }

    /// With them on its tape, the world is the same one. Those past the end of an earlier tape are not counted.
    pub(crate) fn choices(&self) -> Choices {
        let Choices { numbers, steps } = &self.choices;
        let chosen = self.chosen.unwrap_or(numbers.len());
        let steps = steps.iter().copied().filter(|start| *start < chosen || self.chosen.is_none());
        Choices { numbers: numbers[..chosen].to_vec(), steps: steps.collect() }
    }

    /// How many, with those past the end.
    pub(crate) fn made(&self) -> usize {
        self.choices.numbers.len()
    }

    fn note_end(&mut self) {
        if let Source::Given(tape) = &self.source
            && tape.is_over()
        {
            self.chosen.get_or_insert(self.choices.numbers.len());
        }
    }

    /// A number out of the seed, and what it is to count as. The tape has it the way in which 0 is the least that can be
    /// chosen; past its end, or that of the step, all is 0.
    fn choose(&mut self, drawn: impl FnOnce(u64) -> u64, given: impl FnOnce(u64) -> u64) -> u64 {
        self.note_end();
        let number = match &mut self.source {
            Source::Seed(state) => drawn(split_mix(state)),
            Source::Given(tape) => given(tape.next().unwrap_or(0)),
        };
        self.choices.numbers.push(number);
        number
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.choose(|drawn| drawn % limit, |given| given % limit)
    }

    pub(crate) fn any(&mut self) -> u64 {
        self.choose(|drawn| drawn, |given| given)
    }

    /// On the tape the highest number means yes, so that nothing rare happens past the end.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        let chosen = self.choose(|drawn| times - 1 - drawn % times, |given| given % times);
        chosen == times - 1
    }

    /// Each has its turn, once the numbers are used up: nobody is left waiting for ever because 0 is the same one each time.
    pub(crate) fn turn(&mut self, limit: u64) -> u64 {
        self.note_end();
        let turn = match &mut self.source {
            Source::Seed(state) => split_mix(state),
            Source::Given(tape) => match tape.next() {
                Some(number) => number,
                // Those of the step.
                None if !tape.is_over() => self.choices.numbers.len() as u64,
                None => {
                    self.turn += 1;
                    self.turn
                }
            },
        };
        self.choices.numbers.push(turn % limit);
        turn % limit
    }

    /// Another step begins here; not `may`: or the rest.
    pub(crate) fn step(&mut self, may: bool) -> bool {
        self.mark();
        self.note_end();
        let goes_on = match &mut self.source {
            Source::Seed(_) => may,
            Source::Given(tape) => {
                let number = tape.next().unwrap_or(0);
                may && number != 0
            }
        };
        self.choices.numbers.push(u64::from(goes_on));
        goes_on
    }

    /// Something begins here.
    pub(crate) fn mark(&mut self) {
        if let Source::Given(tape) = &mut self.source {
            tape.begin_step();
        }
        self.choices.steps.push(self.choices.numbers.len());
    }

    pub(crate) fn tells(&self) -> bool {
        match self.story {
            Story::None => false,
            Story::Printed | Story::Kept(_) => true,
        }
    }

    pub(crate) fn tell(&mut self, line: String) {
        match &mut self.story {
            Story::None => {}
            Story::Printed => println!("{line}"),
            Story::Kept(lines) => {
                if lines.len() == STORY_LINES {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
    }

    /// What has been told, the last of it.
    pub(crate) fn story(&self) -> String {
        match &self.story {
            Story::None | Story::Printed => String::new(),
            Story::Kept(lines) => lines.iter().map(|line| format!("  {line}\n")).collect(),
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
