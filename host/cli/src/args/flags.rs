//! Flags of a job's settings, all of them out of the one list ([`sandhog_spec::setting`]).
//!
//! Must not: know a setting by its name.

use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, ValueHint};
use sandhog_protocol::control::{JobSpec, RetrySpec};
use sandhog_protocol::plan::Wall;
use sandhog_protocol::request::Level;
use sandhog_spec::job::{Error, Settings};
use sandhog_spec::setting::words::{LEVELS, meaning};
use sandhog_spec::setting::{Command, Facts, Flag, Setting, Takes, Usual};
use sandhog_spec::units::{self, Size, Time, parse_count};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::PathBuf;

/// Of which command they are.
pub trait Of {
    const COMMAND: Command;

    /// What holds without a flag, where that is another thing here than elsewhere.
    const USUAL: &'static [(Setting, &'static str)] = &[];
}

#[derive(Clone, Copy, Debug)]
pub struct OfRun;

#[derive(Clone, Copy, Debug)]
pub struct OfStart;

#[derive(Clone, Copy, Debug)]
pub struct OfPool;

/// Of `build` and `inspect`.
#[derive(Clone, Copy, Debug)]
pub struct OfBuild;

impl Of for OfRun {
    const COMMAND: Command = Command::Run;
}

impl Of for OfStart {
    const COMMAND: Command = Command::Start;
}

impl Of for OfPool {
    const COMMAND: Command = Command::Pool;

    const USUAL: &'static [(Setting, &'static str)] =
        &[(Setting::MaxOutput, "16MiB for each task"), (Setting::Timeout, "none; it counts from a task's start")];
}

impl Of for OfBuild {
    const COMMAND: Command = Command::Build;
}

/// What the flags of a command say of a job.
#[derive(Clone, Debug)]
pub struct JobFlags<C> {
    /// All but [`Self::texts`].
    pub spec: JobSpec,
    /// What a command line can say in other than UTF-8, flag by flag.
    texts: BTreeMap<Setting, Vec<OsString>>,
    command: PhantomData<C>,
}

impl<C: Of> Args for JobFlags<C> {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(
            Setting::ALL.iter().filter(|setting| setting.is_flag_of(C::COMMAND)).filter_map(|of| arg(*of, C::USUAL)),
        )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl<C: Of> FromArgMatches for JobFlags<C> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self { spec: JobSpec::default(), texts: BTreeMap::new(), command: PhantomData };
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let settings = Setting::ALL.iter().filter(|setting| setting.is_flag_of(C::COMMAND));
        settings.for_each(|setting| self.set(*setting, matches));
        Ok(())
    }
}

impl<C> JobFlags<C> {
    /// What was given with the flag of a setting that takes paths or texts of the guest.
    pub fn texts(&self, setting: Setting) -> &[OsString] {
        self.texts.get(&setting).map(Vec::as_slice).unwrap_or_default()
    }

    /// Walls that it may do without.
    pub fn allow_missing(&self) -> Vec<Wall> {
        Wall::ALL.into_iter().filter(|wall| self.spec.allow_missing.iter().any(|word| word == wall.name())).collect()
    }

    /// Least level of the log that is wanted; none: off.
    ///
    /// # Errors
    /// There is no such level.
    pub fn log(&self) -> Result<Option<Level>, Error> {
        let usual = Setting::Log.facts().usual.to_text().unwrap_or_default();
        Ok(meaning(Setting::Log, self.spec.log.as_ref().unwrap_or(&usual), &LEVELS)?)
    }

    /// What they say of a job with this module; its arguments and stdin are for others to say.
    ///
    /// # Errors
    /// A value is out of its bounds.
    pub fn settings(self, module: PathBuf) -> Result<Settings, Error> {
        let mut texts = self.texts;
        let mut of = |setting| texts.remove(&setting).unwrap_or_default();
        Ok(Settings {
            name: None,
            module,
            argv0: of(Setting::Argv0).pop(),
            directories: of(Setting::Dir),
            env: of(Setting::Env),
            children: of(Setting::Child),
            ..Settings::of(&self.spec)?
        })
    }

    fn set(&mut self, setting: Setting, matches: &ArgMatches) {
        let (id, spec) = (setting.key(), &mut self.spec);
        match setting.takes() {
            Takes::Name(field) | Takes::Module(field) | Takes::Group(field) => {
                *(field.set)(spec) = one(id, matches).unwrap_or_default();
            }
            Takes::Text(field) | Takes::Word(field, _) | Takes::TimeOr(field, _) => {
                *(field.set)(spec) = one(id, matches)
            }
            Takes::Size(field) => *(field.set)(spec) = one::<Size>(id, matches).map(Into::into),
            Takes::Time(field) => *(field.set)(spec) = one::<Time>(id, matches).map(Into::into),
            Takes::Count(field) => *(field.set)(spec) = one(id, matches),
            Takes::Flag(field) => *(field.set)(spec) = matches.get_flag(id),
            Takes::Texts(field) | Takes::Words(field, _) | Takes::Objects(field) | Takes::Command(field) => {
                *(field.set)(spec) = all(id, matches);
            }
            Takes::Retries(field) => *(field.set)(spec) = all::<RetrySpec>(id, matches),
            Takes::GuestName(_)
            | Takes::Directories(_)
            | Takes::Children(_)
            | Takes::Stdin(_)
            | Takes::Environment(_) => {
                let texts = all::<OsString>(id, matches);
                if !texts.is_empty() {
                    self.texts.insert(setting, texts);
                }
            }
        }
    }
}

fn one<T: Clone + Send + Sync + 'static>(id: &str, matches: &ArgMatches) -> Option<T> {
    matches.get_one::<T>(id).cloned()
}

fn all<T: Clone + Send + Sync + 'static>(id: &str, matches: &ArgMatches) -> Vec<T> {
    matches.get_many::<T>(id).into_iter().flatten().cloned().collect()
}

/// The flag of a setting; None where it has none.
fn arg(setting: Setting, usual: &[(Setting, &str)]) -> Option<Arg> {
    let Flag::Of { value, short, .. } = setting.facts().flag else { return None };
    let arg = Arg::new(setting.key()).long(setting.flag()).help(help(setting, usual)).help_heading(setting.heading());
    let arg = short.into_iter().fold(arg, Arg::short);

    Some(
        match setting.takes() {
            Takes::Flag(_) => return Some(arg.action(ArgAction::SetTrue)),
            Takes::Size(_) => arg.value_parser(ValueParser::new(read::<Size>)).allow_hyphen_values(true),
            Takes::Time(_) => arg.value_parser(ValueParser::new(read::<Time>)).allow_hyphen_values(true),
            Takes::Count(_) => arg.value_parser(ValueParser::new(parse_count)).allow_hyphen_values(true),
            Takes::Name(_) => arg.value_parser(NonEmptyStringValueParser::new()),
            Takes::Module(_) | Takes::Group(_) | Takes::TimeOr(..) => arg.value_parser(ValueParser::string()),
            Takes::Text(_) => arg.value_parser(ValueParser::string()).allow_hyphen_values(true),
            Takes::Word(_, words) => arg.value_parser(PossibleValuesParser::new(words())),
            Takes::Words(_, words) => {
                arg.value_parser(PossibleValuesParser::new(words())).value_delimiter(',').action(ArgAction::Append)
            }
            Takes::Texts(_) => arg.value_parser(ValueParser::string()).value_delimiter(',').action(ArgAction::Append),
            Takes::Retries(_) => {
                arg.value_parser(ValueParser::new(parse_retry)).value_delimiter(',').action(ArgAction::Append)
            }
            Takes::Command(_) => {
                let arg = arg.value_parser(ValueParser::string()).action(ArgAction::Append).allow_hyphen_values(true);
                arg.value_hint(ValueHint::FilePath)
            }
            // Their arguments have commas between them.
            Takes::Objects(_) => arg.value_parser(ValueParser::string()).action(ArgAction::Append),
            Takes::GuestName(_) => arg.value_parser(ValueParser::os_string()),
            Takes::Stdin(_) => arg.value_parser(ValueParser::os_string()).value_hint(ValueHint::FilePath),
            Takes::Directories(_) => many_texts(arg).value_hint(ValueHint::DirPath),
            Takes::Children(_) => many_texts(arg).value_hint(ValueHint::FilePath),
            Takes::Environment(_) => many_texts(arg),
        }
        .value_name(value),
    )
}

fn many_texts(arg: Arg) -> Arg {
    arg.value_parser(ValueParser::os_string()).action(ArgAction::Append)
}

fn read<T: std::str::FromStr<Err = units::Error>>(text: &str) -> Result<T, units::Error> {
    text.parse()
}

/// The list's sentence, and what holds without the flag; `usual`: of the command's own.
fn help(setting: Setting, usual: &[(Setting, &str)]) -> String {
    let own = usual.iter().find(|(of, _)| *of == setting);
    let Facts { about, usual, .. } = setting.facts();
    if let Some((_, own)) = own {
        return format!("{about} [default: {own}]");
    }
    let default = match (usual, setting.takes()) {
        (Usual::No | Usual::Needed, _) => return (*about).into(),
        (Usual::Depends(on), _) => (*on).into(),
        (Usual::Nothing, Takes::Size(_) | Takes::Time(_) | Takes::Count(_)) => "none".into(),
        (usual, _) => match usual.to_text() {
            Some(text) => text,
            None => return (*about).into(),
        },
    };
    format!("{about} [default: {default}]")
}

/// `VERDICT`, `VERDICT:FACTOR` or `VERDICT:FACTOR:MAX`. Whether there is such a verdict, the daemon says.
fn parse_retry(text: &str) -> Result<RetrySpec, String> {
    let mut parts = text.splitn(3, ':');
    let verdict = parts.next().unwrap_or_default().to_owned();
    let factor = parts.next().map(parse_count).transpose().map_err(|error| format!("the factor: {error}"))?;
    Ok(RetrySpec { verdict, factor, max: parts.next().map(Into::into) })
}
