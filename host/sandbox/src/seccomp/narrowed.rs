//! A filter as what it takes away from another one that is there already: short, and so loaded in a fraction of the time.
//!
//! The kernel asks all filters of a process and obeys the strictest. Where the one beneath answers a call as the one on top
//! would, nothing has to be said about it.
//!
//! Must not: be loaded where the filter beneath is not.

use super::filter::{Filter, Peers};
use super::policy::{self, Action, Condition, Rule};
use super::program;
use sandhog_sys::seccomp::Instruction;
use std::collections::BTreeSet;

/// What `filter` takes away from `beneath`, which allows whatever it allows. Both together are `filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Narrowed {
    pub beneath: Filter,
    pub filter: Filter,
}

impl Narrowed {
    /// Whether clients come to whoever has it.
    pub(crate) fn serves_clients(self) -> bool {
        match self.filter {
            Filter::Component { peers, .. } => peers == Peers::Clients,
            Filter::Zygote
            | Filter::Loader { .. }
            | Filter::KeeperZygote
            | Filter::Loaded
            | Filter::Worker { .. }
            | Filter::Compiler
            | Filter::Keeper => false,
        }
    }

    pub(super) fn program(self) -> Vec<Instruction> {
        program::compile_in_a_row(&self.rules(), Action::Allow)
    }

    /// The rules of each call that the two answer differently. A call that the one beneath does not name is killed by it.
    pub(super) fn rules(self) -> Vec<Rule> {
        let (beneath, filter) = (policy::rules(self.beneath), policy::rules(self.filter));
        let numbers: BTreeSet<u32> = beneath.iter().map(|rule| rule.number).collect();
        let mut rules = Vec::new();
        for number in numbers {
            let [above, below] = [&filter, &beneath].map(|rules| of(rules, number));
            if above.clone().map(meaning).eq(below.clone().map(meaning)) {
                continue;
            }
            rules.extend(above.copied());
            // Whatever none of them answers, by the name and for the reason of the right that ends.
            rules.extend(below.take(1).map(|rule| Rule { conditions: &[], action: Action::Kill, ..*rule }));
        }
        rules
    }
}

fn of(rules: &[Rule], number: u32) -> impl Iterator<Item = &Rule> + Clone {
    rules.iter().filter(move |rule| rule.number == number)
}

fn meaning(rule: &Rule) -> (&'static [Condition], Action) {
    (rule.conditions, rule.action)
}
