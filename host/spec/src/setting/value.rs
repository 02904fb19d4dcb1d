//! Reading the value of a setting: what was written, within the bounds of the list, or the usual one.

use super::bounds::Reason;
use super::list::Setting;
use super::wrong::{Error, Wrong};
use crate::units::{self, Size, Time, Written};

/// A size as it was written, within the bounds of its setting; the usual one where there is none.
///
/// # Errors
/// It is none, or is out of its bounds.
pub fn size(setting: Setting, written: Option<&Written<Size>>) -> Result<Option<Size>, Error> {
    let read = |written: &Written<Size>| written.read().map_err(|error| unreadable(setting, written, error));
    plain_size(setting, written.map(read).transpose()?)
}

/// As [`size`], of one that has been read.
///
/// # Errors
/// It is out of the bounds.
pub fn plain_size(setting: Setting, size: Option<Size>) -> Result<Option<Size>, Error> {
    let Some(size) = size else { return Ok(setting.facts().usual.to_size()) };
    let print = |bytes| Size::bytes(bytes).to_string();
    let checked = setting.facts().bounds.check(size.to_bytes(), print);
    checked.map(|()| Some(size)).map_err(|reason| given(setting, size, reason))
}

/// As [`size`].
///
/// # Errors
/// As [`size`].
pub fn time(setting: Setting, written: Option<&Written<Time>>) -> Result<Option<Time>, Error> {
    let read = |written: &Written<Time>| written.read().map_err(|error| unreadable(setting, written, error));
    plain_time(setting, written.map(read).transpose()?)
}

/// As [`plain_size`].
///
/// # Errors
/// As [`plain_size`].
pub fn plain_time(setting: Setting, time: Option<Time>) -> Result<Option<Time>, Error> {
    let Some(time) = time else { return Ok(setting.facts().usual.to_time()) };
    let print = |millis| Time::millis(millis).to_string();
    let checked = setting.facts().bounds.check(time.to_millis(), print);
    checked.map(|()| Some(time)).map_err(|reason| given(setting, time, reason))
}

/// As [`plain_size`].
///
/// # Errors
/// As [`plain_size`].
pub fn count(setting: Setting, count: Option<u64>) -> Result<Option<u64>, Error> {
    let Some(count) = count else { return Ok(setting.facts().usual.to_count()) };
    let checked = setting.facts().bounds.check(count, |count| count.to_string());
    checked.map(|()| Some(count)).map_err(|reason| given(setting, count, reason))
}

/// Nothing at all has no unit.
fn given(setting: Setting, value: impl std::fmt::Display, reason: Reason) -> Error {
    match reason {
        Reason::Zero(_) => Wrong::given(setting, 0, reason),
        Reason::Unreadable(_) | Reason::Word { .. } | Reason::Less { .. } | Reason::More { .. } => {
            Wrong::given(setting, value, reason)
        }
    }
}

fn unreadable(setting: Setting, text: &str, error: units::Error) -> Error {
    Wrong::text(setting, text, Reason::Unreadable(error))
}
