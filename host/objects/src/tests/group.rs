//! The coordinator's part, as far as tests need it: files, members, and a keeper that can be replaced.

use crate::keeper::Keeper;
use crate::{Page, Segment};
use sandhog_objects_model::Object;
use sandhog_protocol::objects::{FromKeeper, Kind, Member, ObjectId, ObjectState, ToKeeper};
use sandhog_sys::shared;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Group {
    pub(super) keeper: Keeper,
    objects: BTreeMap<ObjectId, (Kind, OwnedFd)>,
    members: BTreeMap<Member, OwnedFd>,
}

/// An object with the memory that a member has of it.
pub(super) struct Opened {
    pub(super) me: Member,
    pub(super) segment: Segment,
    pub(super) object: Object,
}

impl Group {
    pub(super) fn make(&mut self, kind: Kind) -> ObjectId {
        let object = ObjectId(self.objects.len() as u64 + 1);
        let file = shared::create(c"object", Object::bytes(kind).unwrap()).unwrap();
        let answer = self.keeper.hear(ToKeeper::Object { object, kind, fresh: true }, vec![copy(&file)]);
        assert_eq!(answer, [FromKeeper::Made { object, errno: 0 }]);
        self.objects.insert(object, (kind, file));
        object
    }

    pub(super) fn join(&mut self, seat: u16, generation: u16) -> Member {
        let member = Member { seat, generation };
        let file = shared::create(c"page", Page::BYTES).unwrap();
        assert_eq!(self.keeper.hear(ToKeeper::Member(member), vec![copy(&file)]), []);
        self.members.insert(member, file);
        member
    }

    pub(super) fn open(&self, object: ObjectId, me: Member) -> Opened {
        let page = Arc::new(Page::map(copy(&self.members[&me]), me).unwrap());
        let (kind, file) = &self.objects[&object];
        let segment = Segment::map(copy(file), object, *kind, true, page).unwrap();
        Opened { me, segment, object: Object::of(*kind).unwrap() }
    }

    pub(super) fn stop(&mut self, member: Member) {
        assert_eq!(self.keeper.hear(ToKeeper::Stop(member), vec![]), []);
    }

    /// What it held. Others may be at work, but are at some time not.
    pub(super) fn died(&mut self, member: Member) -> Vec<ObjectId> {
        self.members.remove(&member);
        let mut answers = self.keeper.hear(ToKeeper::Died(member), vec![]);
        while self.keeper.is_behind() {
            answers.extend(self.keeper.settle());
        }
        let [FromKeeper::Recovered { member: recovered, held }] = &answers[..] else { panic!("{answers:?}") };
        assert_eq!(*recovered, member);
        held.clone()
    }

    pub(super) fn look(&mut self, object: ObjectId) -> ObjectState {
        let answers = self.keeper.hear(ToKeeper::Look(object), vec![]);
        let Some(FromKeeper::State { object: seen, state }) = answers.last() else { panic!("{answers:?}") };
        assert_eq!(*seen, object);
        state.clone()
    }

    /// A new keeper, that is told all; what it says of those that have died meanwhile.
    pub(super) fn replace_keeper(&mut self, meanwhile: &[Member]) -> Vec<FromKeeper> {
        self.keeper = Keeper::default();
        meanwhile.iter().for_each(|member| drop(self.members.remove(member)));
        for (object, (kind, file)) in &self.objects {
            let (object, kind) = (*object, *kind);
            let answer = self.keeper.hear(ToKeeper::Object { object, kind, fresh: false }, vec![copy(file)]);
            assert_eq!(answer, [FromKeeper::Made { object, errno: 0 }]);
        }
        for (member, file) in &self.members {
            assert_eq!(self.keeper.hear(ToKeeper::Member(*member), vec![copy(file)]), []);
        }
        self.keeper.hear(ToKeeper::Adopted, vec![])
    }
}

pub(super) fn copy(file: &OwnedFd) -> OwnedFd {
    file.as_fd().try_clone_to_owned().unwrap()
}

/// The object as what it was made.
macro_rules! as_kind {
    ($opened:expr, $kind:ident) => {
        match $opened.object {
            sandhog_objects_model::Object::$kind(object) => object,
            other => panic!("{other:?}"),
        }
    };
}
pub(super) use as_kind;
