//! What the daemon asks for, and the worst that happens to it meanwhile.

use super::vfs::of;
use super::world::{Seen, World};

impl World {
    pub(super) fn request(&mut self) {
        self.events += 1;
        match self.rng.below(17) {
            0..=5 => self.change(),
            6..=8 => self.change_together(),
            9 | 10 => self.ask_for_answer(),
            11..=13 => self.write(),
            14 | 15 => self.take_ids(),
            _ => self.rare(),
        }
    }

    fn rare(&mut self) {
        match self.rng.below(8) {
            0 | 1 => {
                self.kill();
                self.start();
            }
            2..=4 => {
                let changes = self.rng.below(60);
                self.tell(|| format!("the power lasts for {changes} changes"));
                of(&self.disk).light_fuse(changes);
            }
            5 => {
                let writes = 1 + self.rng.below(6);
                self.tell(|| format!("no room for {writes} writes"));
                of(&self.disk).fill_up(writes);
            }
            _ => self.close(),
        }
    }

    pub(super) fn change(&mut self) {
        self.ask_for_change();
        self.asked.done();
    }

    fn ask_for_change(&mut self) {
        let put = self.put();
        self.tell(|| format!("state {}: {put:?}", self.asked.last() + 1));
        put.ask(&self.daemon().store);
        self.asked.add(&put);
    }

    /// Nothing is written before all of it is there.
    fn change_together(&mut self) {
        let together = self.daemon().store.together();
        let count = 2 + self.rng.below(3);
        let early = self.rng.below(count);
        for number in 0..count {
            self.ask_for_change();
            if number == early && !self.write_whole() {
                // It was written all the same, and the power went: the rest is never asked for.
                return self.start();
            }
        }
        drop(together);
        self.asked.done();
    }

    pub(super) fn take_ids(&mut self) {
        let count = [1, 1, 40, 300][self.rng.below(4) as usize];
        let taken = self.daemon().store.take_ids(count);
        self.tell(|| format!("{count} ids: {taken:?}"));
        match taken {
            Some(ids) => {
                assert!(ids.start >= self.given, "an id is given again: {ids:?}, {} were given", self.given);
                self.given = ids.end;
                self.free.extend(ids.take(3));
            }
            None => {
                self.saw(Seen::NoIds);
                self.daemon().store.reserve_ids(count);
            }
        }
    }

    pub(super) fn ask_for_answer(&mut self) {
        let last = self.asked.last();
        self.tell(|| format!("somebody waits for state {last}"));
        let daemon = self.daemon();
        let answer = Box::pin(daemon.store.kept());
        daemon.answers.push((answer, last));
    }
}
