//! Objects that a guest hands to a child: `children.object-grant`.
//!
//! Must not: start the child.

use super::super::text::{self, Budget};
use super::super::types::{Error, answer};
use super::super::view::View;
use super::handle::Handle;
use crate::session::{self, Attachment, Connection};
use sandhog_objects_model as model;
use sandhog_protocol::objects::{Kind, Right, Rights};
use sandhog_protocol::request::ChildObject;
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Resource, ResourceTable, WasmStr, flags};

/// An object of the parent's.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(in super::super) enum Object {
    #[component(name = "lock")]
    Lock(Resource<Handle<model::Lock>>),
    #[component(name = "rlock")]
    Rlock(Resource<Handle<model::Rlock>>),
    #[component(name = "semaphore")]
    Semaphore(Resource<Handle<model::Semaphore>>),
    #[component(name = "event")]
    Event(Resource<Handle<model::Event>>),
    #[component(name = "condition")]
    Condition(Resource<Handle<model::Condition>>),
    #[component(name = "barrier")]
    Barrier(Resource<Handle<model::Barrier>>),
    #[component(name = "value")]
    Value(Resource<Handle<model::Value>>),
    #[component(name = "array")]
    Array(Resource<Handle<model::Array>>),
    #[component(name = "memory")]
    Memory(Resource<Handle<model::Memory>>),
    #[component(name = "queue")]
    Queue(Resource<Handle<model::Queue>>),
    #[component(name = "pipe")]
    Pipe(Resource<Connection>),
}

/// What is handed on.
enum HandedOn<'a> {
    Shared(&'a Attachment),
    End(&'a Connection),
}

impl Object {
    fn handed_on<'a>(&self, table: &'a ResourceTable) -> wasmtime::Result<HandedOn<'a>> {
        Ok(HandedOn::Shared(match self {
            Self::Pipe(handle) => return Ok(HandedOn::End(table.get(handle)?)),
            Self::Lock(handle) => table.get(handle)?.attachment(),
            Self::Rlock(handle) => table.get(handle)?.attachment(),
            Self::Semaphore(handle) => table.get(handle)?.attachment(),
            Self::Event(handle) => table.get(handle)?.attachment(),
            Self::Condition(handle) => table.get(handle)?.attachment(),
            Self::Barrier(handle) => table.get(handle)?.attachment(),
            Self::Value(handle) => table.get(handle)?.attachment(),
            Self::Array(handle) => table.get(handle)?.attachment(),
            Self::Memory(handle) => table.get(handle)?.attachment(),
            Self::Queue(handle) => table.get(handle)?.attachment(),
        }))
    }
}

flags! {
    ObjectRights {
        #[component(name = "acquire")]
        const ACQUIRE;
        #[component(name = "release")]
        const RELEASE;
        #[component(name = "set")]
        const SET;
        #[component(name = "wait")]
        const WAIT;
        #[component(name = "read")]
        const READ;
        #[component(name = "write")]
        const WRITE;
        #[component(name = "put")]
        const PUT;
        #[component(name = "get")]
        const GET;
    }
}

impl ObjectRights {
    const ALL: [(Self, Right); 8] = [
        (Self::ACQUIRE, Right::Acquire),
        (Self::RELEASE, Right::Release),
        (Self::SET, Right::Set),
        (Self::WAIT, Right::Wait),
        (Self::READ, Right::Read),
        (Self::WRITE, Right::Write),
        (Self::PUT, Right::Put),
        (Self::GET, Right::Get),
    ];
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(in super::super) struct ObjectGrant {
    name: WasmStr,
    object: Object,
    rights: ObjectRights,
}

/// The parent's own rights are checked here, once more by the coordinator. Ends of pipes are added to `ends`.
pub(in super::super) fn granted<T: View + 'static>(
    grant: &ObjectGrant,
    store: &mut StoreContextMut<'_, T>,
    budget: &mut Budget,
    ends: &mut Vec<Connection>,
) -> wasmtime::Result<Result<ChildObject, Error>> {
    let name = match text::whole(&grant.name, store, budget)? {
        Ok(name) => name,
        Err(error) => return Ok(Err(error)),
    };
    let handed_on = match grant.object.handed_on(store.data_mut().parts().table)? {
        HandedOn::Shared(attachment) => {
            let rights = rights_of_child(attachment, grant.rights);
            rights.map(|rights| ChildObject { name, object: attachment.object().id(), rights })
        }
        HandedOn::End(connection) => connection.to_hand_on().map(|(object, end)| {
            ends.push(connection.clone());
            ChildObject { name, object, rights: [end].into() }
        }),
    };
    Ok(answer(handed_on))
}

/// Of what has one right only, that one; of the others those that were asked for. Some must be.
fn rights_of_child(attachment: &Attachment, asked: ObjectRights) -> Result<Rights, session::Error> {
    let rights: Rights = match attachment.kind() {
        Kind::Lock | Kind::Rlock | Kind::Condition | Kind::Barrier { .. } => [Right::Use].into(),
        Kind::Semaphore { .. }
        | Kind::BoundedSemaphore { .. }
        | Kind::Event
        | Kind::Value { .. }
        | Kind::Array { .. }
        | Kind::Memory { .. }
        | Kind::Queue { .. }
        | Kind::Pipe => {
            let asked = ObjectRights::ALL.into_iter().filter(|(flag, _)| asked & *flag == *flag);
            asked.map(|(_, right)| right).collect()
        }
    };
    if rights.is_empty() {
        return Err(session::Error::Invalid("an object for a child without a right".to_owned()));
    }
    rights.iter().try_for_each(|right| attachment.needs(*right))?;
    Ok(rights)
}
