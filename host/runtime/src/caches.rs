//! Which cache compiled modules go to: the person's own, or one in memory where that can't be used. A place that the operator
//! has named by [`paths::CACHE_VARIABLE`] must be usable, and may be full.

use super::cache::{self, Cache};
use super::own_limits;
use sandhog_dirs::paths;
use sandhog_dirs::person::Person;
use sandhog_protocol::causes;
use sandhog_protocol::verdict::LostCause;
use sandhog_supervisor::outcome::Cause;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// The two caches, each opened at its first use.
pub(super) struct Caches {
    path: Result<PathBuf, cache::Error>,
    /// Has the secret that entries are sealed with.
    state: Result<PathBuf, String>,
    is_given: bool,
    own: OnceLock<Arc<Cache>>,
    spare: OnceLock<Arc<Cache>>,
}

impl Caches {
    pub(super) fn of(person: &Person, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        Self {
            path: paths::cache(person, &variable).map_err(cache::Error::from),
            state: paths::state(person, &variable).map_err(|error| causes::one_line(&error)),
            is_given: paths::is_given(paths::CACHE_VARIABLE, &variable),
            own: OnceLock::new(),
            spare: OnceLock::new(),
        }
    }

    /// The person's own, or what there is instead.
    ///
    /// # Errors
    /// As for [`Self::instead`].
    pub(super) fn usual(&self) -> Result<Arc<Cache>, Cause> {
        if let Some(own) = self.own.get() {
            return Ok(Arc::clone(own));
        }
        let path = match &self.path {
            Ok(path) => path,
            Err(error) => return self.instead(error),
        };
        match Cache::open(path, self.state.as_deref().map_err(Clone::clone)) {
            Ok(cache) => Ok(Arc::clone(self.own.get_or_init(|| Arc::new(cache)))),
            Err(error) => self.instead(&error),
        }
    }

    /// The one in memory, since the person's own has failed.
    ///
    /// # Errors
    /// The operator has named a place that can't be used; or there is no memory either.
    pub(super) fn instead(&self, error: &cache::Error) -> Result<Arc<Cache>, Cause> {
        if let Some(cause) = verdict_of(error, self.is_given) {
            return Err(cause);
        }
        if let Some(spare) = self.spare.get() {
            return Ok(Arc::clone(spare));
        }
        let spare = Cache::in_memory(causes::one_line(error))
            .map_err(|error| Cause::Failed(LostCause::Machine, causes::one_line(&error)))?;
        Ok(Arc::clone(self.spare.get_or_init(|| Arc::new(spare))))
    }

    /// The one in memory, where something had to go there.
    pub(super) fn spare(&self) -> Option<Arc<Cache>> {
        self.spare.get().map(Arc::clone)
    }

    /// Those that are open.
    pub(super) fn open(&self) -> impl Iterator<Item = &Arc<Cache>> {
        self.own.get().into_iter().chain(self.spare.get())
    }
}

/// Why nothing takes the place of a cache that has failed; none where something does.
fn verdict_of(error: &cache::Error, is_given: bool) -> Option<Cause> {
    match error {
        cache::Error::Memory(_) => Some(Cause::Failed(LostCause::Machine, causes::one_line(error))),
        // Memory would be no better: it is a file as well.
        cache::Error::Full { cause, .. } if cause.kind() == io::ErrorKind::FileTooLarge => {
            Some(Cause::Refused(format!("the compiled module is too large a file: {}", too_large())))
        }
        cache::Error::Full { .. } => None,
        cache::Error::Paths(_) | cache::Error::Use { .. } | cache::Error::Unsuitable { .. } => {
            is_given.then(|| Cause::Refused(causes::one_line(error)))
        }
    }
}

fn too_large() -> String {
    own_limits::file_size_in_words().unwrap_or_else(|| "the file system takes no larger one".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_named_place_is_insisted_on_and_it_may_be_full() {
        let full = || cache::Error::Full { path: "/c".into(), cause: io::ErrorKind::StorageFull.into() };
        let denied = || cache::Error::Use { path: "/c".into(), cause: io::ErrorKind::PermissionDenied.into() };
        assert_eq!(verdict_of(&full(), true), None);
        assert_eq!(verdict_of(&full(), false), None);
        assert_eq!(verdict_of(&denied(), false), None);
        assert!(matches!(verdict_of(&denied(), true), Some(Cause::Refused(_))));
        let memory = cache::Error::Memory(io::ErrorKind::OutOfMemory.into());
        assert!(matches!(verdict_of(&memory, false), Some(Cause::Failed(LostCause::Machine, _))));
    }
}
