//! Which profile of a manifest is chosen: by the flag, else by the environment.
//!
//! Must not: know what is in a profile.

use super::embedded::Failure;
use super::render::problem::Problem;
use sandhog_protocol::exit_code;
use sandhog_spec::text::escape;
use std::ffi::OsString;

/// The variable with the name of the profile where no flag says one. Empty as if it were not set.
pub(super) const VARIABLE: &str = "SANDHOG_PROFILE";

/// The profile that is chosen.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Profile {
    name: Option<String>,
    is_from_variable: bool,
}

impl Profile {
    /// What the flag says, even where that is nothing (`--profile ''`); without it [`VARIABLE`], else none.
    ///
    /// # Errors
    /// The variable is not UTF-8.
    pub(super) fn chosen(flag: Option<&str>) -> Result<Self, Failure> {
        Self::of(flag, std::env::var_os(VARIABLE))
    }

    fn of(flag: Option<&str>, variable: Option<OsString>) -> Result<Self, Failure> {
        if let Some(name) = flag {
            return Ok(Self { name: named(name.into()), is_from_variable: false });
        }
        let Some(variable) = variable else { return Ok(Self::default()) };
        let name = variable.into_string().map_err(|value| {
            let shown = escape(&value.to_string_lossy()).into_owned();
            let problem = Problem::new(format!("{VARIABLE} is not UTF-8: \"{shown}\""));
            Failure { problem: problem.with_hint("no profile has such a name; unset it"), code: exit_code::REFUSED }
        })?;
        Ok(Self { name: named(name), is_from_variable: true })
    }

    /// None: the manifest is read without one.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What to do where the manifest has no such profile.
    pub(super) const fn hint(&self) -> Option<&'static str> {
        if self.is_from_variable {
            Some("the name is from SANDHOG_PROFILE; unset it, or write --profile NAME, or --profile '' for none")
        } else {
            None
        }
    }
}

fn named(name: String) -> Option<String> {
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn chosen(flag: Option<&str>, variable: Option<&str>) -> Option<String> {
        Profile::of(flag, variable.map(Into::into)).ok().unwrap().name
    }

    #[test]
    fn the_flag_goes_before_the_variable_and_nothing_is_no_profile() {
        assert_eq!(chosen(None, None), None);
        assert_eq!(chosen(None, Some("")), None);
        assert_eq!(chosen(None, Some("staging")).as_deref(), Some("staging"));
        assert_eq!(chosen(Some("production"), Some("staging")).as_deref(), Some("production"));
        assert_eq!(chosen(Some(""), Some("staging")), None);
    }

    #[test]
    fn a_variable_that_is_no_text_is_refused() {
        let failure = Profile::of(None, Some(OsString::from_vec(vec![0xff]))).err().unwrap();
        assert_eq!(failure.code, exit_code::REFUSED);
        assert!(failure.problem.to_text(false).contains("SANDHOG_PROFILE is not UTF-8"));
    }
}
