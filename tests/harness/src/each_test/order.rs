//! Who may run: many tests beside each other, or one alone, in the order in which they came.
//!
//! Must not: favour anybody. A test that waits to run alone holds back those who come later, else it would wait until the end;
//! and they run before the next one that came after them.

/// How a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With any others of this kind.
    Beside,
    /// With nobody.
    Alone,
}

/// Who is in, and whose turn is next.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Tickets that were given out. Each is used in its turn.
    given: u64,
    /// The ticket whose turn it is.
    turn: u64,
    beside: u32,
    alone: bool,
}

impl Order {
    /// Nobody is in, and nobody waits.
    pub const fn new() -> Self {
        Self { given: 0, turn: 0, beside: 0, alone: false }
    }

    /// Somebody comes, and gets a ticket.
    pub fn arrive(&mut self) -> u64 {
        self.given += 1;
        self.given - 1
    }

    /// Whether it went in.
    #[must_use]
    pub fn enter(&mut self, ticket: u64, kind: Kind) -> bool {
        let has_room = match kind {
            Kind::Beside => !self.alone,
            Kind::Alone => !self.alone && self.beside == 0,
        };
        if self.turn != ticket || !has_room {
            return false;
        }
        self.turn += 1;
        match kind {
            Kind::Beside => self.beside += 1,
            Kind::Alone => self.alone = true,
        }
        true
    }

    /// Somebody who was in leaves.
    pub fn leave(&mut self, kind: Kind) {
        match kind {
            Kind::Beside => self.beside -= 1,
            Kind::Alone => self.alone = false,
        }
    }

    /// How many have a ticket whose turn has not come.
    pub const fn waiting(&self) -> u64 {
        self.given - self.turn
    }

    /// How many are in that may have others beside them.
    pub const fn running_beside(&self) -> u32 {
        self.beside
    }
}
