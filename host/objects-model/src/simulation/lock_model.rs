//! The model of a lock: who must hold it, and what the next holder must be told.

use crate::problem::Acquired;
use sandhog_protocol::objects::Member;
use std::collections::BTreeSet;

#[derive(Default)]
pub(crate) struct LockModel {
    /// Whoever has acquired it and not begun to release it, and how deep.
    holder: Option<(Member, u32)>,
    token: u64,
    /// A token was given that nobody was told.
    is_token_unknown: bool,
    /// Died as its holder: the next is to be told of it, or of one that died later.
    poison: Option<Member>,
    /// The same, and nobody gets it before the keeper has begun.
    blocked: Option<Member>,
    /// Died while it may have held it: may be told.
    suspects: BTreeSet<Member>,
}

impl LockModel {
    pub(crate) fn depth(&self, me: Member) -> u32 {
        self.holder.filter(|(holder, _)| *holder == me).map_or(0, |(_, depth)| depth)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holder.is_some()
    }

    /// It is on its way out: another may get it.
    pub(crate) fn releasing(&mut self, me: Member) {
        if self.depth(me) > 0 {
            self.holder = None;
        }
    }

    pub(crate) fn deepened(&mut self, me: Member, acquired: Acquired) -> Result<(), String> {
        let depth = self.depth(me);
        self.holder = Some((me, depth + 1));
        let is_token_right = match self.is_token_unknown {
            true => acquired.token >= self.token,
            false => acquired.token == self.token,
        };
        match is_token_right && acquired.died.is_none() {
            true => Ok(()),
            false => Err(format!("deeper, but {acquired:?} after token {}", self.token)),
        }
    }

    pub(crate) fn shallower(&mut self, me: Member) {
        self.holder = Some((me, self.depth(me) - 1));
    }

    pub(crate) fn acquired(&mut self, me: Member, depth: u32, acquired: Acquired) -> Result<(), String> {
        self.has(me, depth)?;
        if acquired.token <= self.token {
            return Err(format!("token {} after {}", acquired.token, self.token));
        }
        self.token = acquired.token;
        self.is_token_unknown = false;
        match (self.poison.take(), acquired.died) {
            (Some(poison), None) => Err(format!("not told of {poison:?}")),
            (Some(poison), Some(died)) if poison == died => Ok(()),
            (_, Some(died)) if !self.suspects.remove(&died) => Err(format!("told of {died:?}")),
            (_, _) => Ok(()),
        }
    }

    /// It has it again, and was not told how.
    pub(crate) fn came_back(&mut self, me: Member, depth: u32) -> Result<(), String> {
        self.has(me, depth)?;
        self.is_token_unknown = true;
        match self.poison {
            None => Ok(()),
            Some(poison) => Err(format!("not told of {poison:?}")),
        }
    }

    fn has(&mut self, me: Member, depth: u32) -> Result<(), String> {
        if let Some((holder, _)) = self.holder {
            return Err(format!("{holder:?} holds it as well"));
        }
        if let Some(blocked) = self.blocked {
            return Err(format!("{blocked:?} died with it and has not been recovered"));
        }
        self.holder = Some((me, depth));
        Ok(())
    }

    /// `active`: it was acquiring or releasing.
    pub(crate) fn died(&mut self, me: Member, active: bool) {
        if self.depth(me) > 0 {
            self.holder = None;
            self.poison = Some(me);
            self.blocked = Some(me);
        } else if active {
            self.suspects.insert(me);
        }
    }

    pub(crate) fn recovering(&mut self, dead: Member) {
        if self.blocked == Some(dead) {
            self.blocked = None;
        }
    }
}
