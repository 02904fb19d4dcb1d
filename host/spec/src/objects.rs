//! Objects of its group that a job is granted: `NAME: KIND(ARGUMENTS) RIGHT …`, for the flag and for the manifest's key alike.
//!
//! Must not: know how an object is laid out in memory.

mod form;
mod reason;

use super::nearest::advice;
use super::setting::{Setting, Wrong};
use super::text::is_plain;
use super::units;
use form::{FORMS, Form};
pub use reason::Reason;
use sandhog_protocol::objects::{GRANTED, Kind, NAME, Right, Rights};
use std::ffi::OsString;

/// An object that a job may use, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectGrant {
    /// Printable, without spaces, at most [`NAME`] bytes.
    pub name: String,
    pub kind: Kind,
    /// Not empty, and of those that the kind has.
    pub rights: Rights,
}

/// What of its group's objects is a job's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectQuota {
    /// Objects without a name that each of its attempts may make.
    pub unnamed: u32,
    /// Memory of all objects of its group.
    pub memory_bytes: u64,
}

impl Default for ObjectQuota {
    fn default() -> Self {
        let (unnamed, memory) = (Setting::MaxObjects.facts().usual, Setting::ObjectsMemory.facts().usual);
        let unnamed = unnamed.to_count().unwrap_or_default();
        Self {
            unnamed: u32::try_from(unnamed).unwrap_or(u32::MAX),
            memory_bytes: memory.to_size().unwrap_or_default().to_bytes(),
        }
    }
}

/// An object that is refused.
pub type Error = Wrong<Reason>;

/// The grants in these texts.
///
/// # Errors
/// The first one that is not to be had, or all of them together are too many or too large.
pub fn grants(texts: &[OsString], quota: &ObjectQuota) -> Result<Vec<ObjectGrant>, Error> {
    if texts.len() > GRANTED {
        return Err(Wrong::whole(Setting::Objects, Reason::TooMany(texts.len())));
    }
    let mut grants: Vec<ObjectGrant> = Vec::new();
    for text in texts {
        let wrong = |reason| Wrong::text(Setting::Objects, &text.to_string_lossy(), reason);
        let grant = text.to_str().ok_or(Reason::NotUtf8).and_then(ObjectGrant::parse).map_err(wrong)?;
        if grants.iter().any(|other| other.name == grant.name) {
            return Err(Wrong::text(Setting::Objects, &grant.name, Reason::Twice));
        }
        grants.push(grant);
    }
    let bytes = grants.iter().fold(0_u64, |sum, grant| sum.saturating_add(data_bytes(grant.kind)));
    if bytes > quota.memory_bytes {
        let [bytes, limit] = [bytes, quota.memory_bytes].map(units::print_size);
        return Err(Wrong::whole(Setting::Objects, Reason::TooLarge { bytes, limit }));
    }
    Ok(grants)
}

impl ObjectGrant {
    /// `NAME: KIND(ARGUMENTS) RIGHT …`
    ///
    /// # Errors
    /// What in it is wrong.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let (name, rest) = text.split_once(':').ok_or(Reason::NoKind)?;
        let (name, rest) = (checked_name(name.trim())?, rest.trim());
        let end = rest.find(|character: char| character == '(' || character.is_whitespace()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        if word.is_empty() {
            return Err(Reason::NoKind);
        }
        let form =
            Form::find(word).ok_or_else(|| Reason::Kind { advice: advice(word, FORMS.iter().map(Form::word)) })?;
        let (arguments, words) = arguments(rest.trim_start())?;
        Ok(Self { name, kind: form.kind(&arguments)?, rights: form.rights(words)? })
    }
}

fn checked_name(name: &str) -> Result<String, Reason> {
    let is_fine = |character: char| is_plain(character) && !character.is_whitespace();
    match (1..=NAME).contains(&name.len()) && name.chars().all(is_fine) {
        true => Ok(name.into()),
        false => Err(Reason::Name),
    }
}

/// What is in the parentheses, where there are any, and what follows.
fn arguments(text: &str) -> Result<(Vec<&str>, &str), Reason> {
    let Some(inside) = text.strip_prefix('(') else { return Ok((Vec::new(), text)) };
    let (inside, rest) = inside.split_once(')').ok_or(Reason::Open)?;
    Ok((inside.split(',').map(str::trim).collect(), rest))
}

/// What is kept in an object, in bytes; its layout takes a little more.
pub fn data_bytes(kind: Kind) -> u64 {
    match kind {
        Kind::Lock | Kind::Rlock | Kind::Semaphore { .. } | Kind::BoundedSemaphore { .. } | Kind::Event => 0,
        Kind::Condition | Kind::Barrier { .. } | Kind::Pipe => 0,
        Kind::Value { element } => element.size(),
        Kind::Array { element, length } => length.saturating_mul(element.size()),
        Kind::Memory { bytes } | Kind::Queue { bytes, .. } => bytes,
    }
}

/// All that there is to do with an object of this kind.
pub fn all_rights(kind: Kind) -> Rights {
    Form::of(kind).all()
}

/// A kind as people write it: `queue(100, 1MiB)`.
pub fn print_kind(kind: Kind) -> String {
    let word = Form::of(kind).word();
    match kind {
        Kind::Lock | Kind::Rlock | Kind::Event | Kind::Condition | Kind::Pipe => word.into(),
        Kind::Semaphore { permits } | Kind::BoundedSemaphore { permits } => format!("{word}({permits})"),
        Kind::Barrier { parties } => format!("{word}({parties})"),
        Kind::Value { element } => format!("{word}({})", form::print_element(element)),
        Kind::Array { element, length } => format!("{word}({}, {length})", form::print_element(element)),
        Kind::Memory { bytes } => format!("{word}({})", units::print_size(bytes)),
        Kind::Queue { items, bytes } => format!("{word}({items}, {})", units::print_size(bytes)),
    }
}

/// A grant as people write it.
pub fn print_grant(grant: &ObjectGrant) -> String {
    let words = Form::of(grant.kind).words(&grant.rights);
    let words: String = words.iter().map(|word| format!(" {word}")).collect();
    format!("{}: {}{words}", grant.name, print_kind(grant.kind))
}

/// Whether the memory of an object is for reading only, where no more than these rights are granted. A value and an array have a
/// lock of their own in it, which goes along with every right.
pub fn is_read_only(kind: Kind, rights: &Rights) -> bool {
    matches!(kind, Kind::Memory { .. }) && !rights.contains(&Right::Write)
}

#[cfg(test)]
mod tests;
