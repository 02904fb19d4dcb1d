//! Settings that need another one beside them.

use super::error::{Error, Reason};
use crate::setting::{Setting, Wrong};
use sandhog_protocol::control::JobSpec;

/// Settings that mean nothing without another one.
///
/// # Errors
/// The first that is alone.
pub fn check_company(spec: &JobSpec) -> Result<(), Error> {
    for setting in Setting::ALL.iter().filter(|setting| setting.takes().is_set(spec)) {
        if let Some(with) = &setting.facts().with
            && !with.settings.iter().any(|other| other.takes().is_set(spec))
        {
            return Err(Wrong::whole(*setting, Reason::Stray(with.reason)).into());
        }
    }
    Ok(())
}
