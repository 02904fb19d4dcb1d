//! The parts of their number of unnamed objects that parents gave to their children.
//!
//! Must not: know an object.

use std::collections::BTreeMap;

/// By children.
#[derive(Default)]
pub(super) struct Parts(BTreeMap<String, Part>);

/// How many an attempt may make, out of those of another one.
struct Part {
    parent: String,
    most: u32,
}

impl Parts {
    pub(super) fn give(&mut self, parent: &str, child: &str, most: u32) {
        if most > 0 {
            self.0.insert(child.into(), Part { parent: parent.into(), most });
        }
    }

    /// What a parent has given to children that have not ended.
    pub(super) fn given(&self, parent: &str) -> u32 {
        let given = self.0.values().filter(|part| part.parent == parent);
        given.fold(0, |sum, part| sum.saturating_add(part.most))
    }

    /// A child has ended: its parent, whose the part is again. What it had given to its own children counts as given by the parent.
    pub(super) fn give_back(&mut self, child: &str) -> Option<String> {
        let Part { parent, most: _ } = self.0.remove(child)?;
        let given = self.0.values_mut().filter(|part| part.parent == child);
        given.for_each(|part| part.parent.clone_from(&parent));
        Some(parent)
    }
}
