//! The one list of rights of a job. Both walls are built from this value, so that neither is wider than the other.

use super::net::Net;
use super::objects::ObjectGrant;
use super::setting::{Names, Setting, Wrong};
use super::text::{escape, is_plain};
use sandhog_protocol::{limits, plan::Access};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What a job may use. Nothing else is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// At most [`limits::DIRECTORIES`], no guest path twice.
    pub directories: Vec<Directory>,
    /// Names and values, no name twice.
    pub env: Vec<(String, String)>,
    /// What it may start as children: names and files, at most [`limits::MODULES`], no name twice.
    pub modules: Vec<(String, PathBuf)>,
    /// Children may live on when it ends.
    pub detached: bool,
    /// Of its group; at most [`sandhog_protocol::objects::GRANTED`], no name twice.
    pub objects: Vec<ObjectGrant>,
    pub net: Net,
}

/// What the workers of a job may use beside what every worker may: their filters differ by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Objects of its group.
    pub objects: bool,
    /// Sockets of TCP that it is given.
    pub sockets: bool,
}

/// A directory of the host that the guest sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// As given: the coordinator opens it with the identity of the person who asked.
    pub host: PathBuf,
    /// The name under which the guest finds it.
    pub guest: String,
    pub access: Access,
}

/// A grant that is refused. Values of variables are never named: they may be secrets.
pub type Error = Wrong<Reason>;

/// Why a grant is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("no path of the host is given")]
    NoHostPath,
    #[error("the guest's path is empty")]
    NoGuestPath,
    #[error("the path holds a null character")]
    Null,
    #[error("what follows the last colon is neither ro nor rw")]
    UnknownAccess,
    #[error("the guest's path is not UTF-8")]
    GuestPathNotUtf8,
    #[error("another directory has the same path in the guest")]
    SameGuestPath,
    #[error("{0} directories are more than {limit}", limit = limits::DIRECTORIES)]
    TooManyDirectories(usize),
    #[error("the variable has no name")]
    NoName,
    #[error("the name is not UTF-8")]
    NameNotUtf8,
    #[error("the value is not UTF-8")]
    ValueNotUtf8,
    #[error("name or value holds a null character")]
    NullInVariable,
    #[error("not set here, so there is nothing to pass on")]
    NotSet,
    #[error("given twice")]
    SameName,
    #[error("a name and a file, with = between them, were expected")]
    NoChild,
    #[error("the name holds characters that do not show as themselves")]
    ChildName,
    #[error("given twice")]
    SameChild,
    #[error("{0} modules are more than {limit}", limit = limits::MODULES)]
    TooManyChildren(usize),
}

impl Reason {
    /// What to do, where the error alone does not say it.
    pub fn hint(self, names: Names) -> String {
        let (dir, env, child) = (names.of(Setting::Dir), names.of(Setting::Env), names.of(Setting::Child));
        match self {
            Self::NoHostPath | Self::NoGuestPath | Self::Null => {
                format!("write {dir} HOST, {dir} HOST::GUEST or {dir} HOST::GUEST:rw")
            }
            Self::UnknownAccess => {
                "write HOST::GUEST for another name in the guest; end a path with a colon in its name with :ro or :rw"
                    .into()
            }
            Self::GuestPathNotUtf8 => format!("give it a name in the guest: {dir} HOST::GUEST"),
            Self::SameGuestPath => format!("give one of them another name: {dir} HOST::GUEST"),
            Self::TooManyDirectories(_) => "grant a directory that holds several of them".into(),
            Self::NoName => format!("write {env} NAME=VALUE, or {env} NAME to pass one on"),
            Self::NameNotUtf8 | Self::ValueNotUtf8 | Self::NullInVariable => {
                "guests get UTF-8 text; hand other bytes over in a file or on stdin".into()
            }
            Self::NotSet => format!("set it, or write {env} NAME=VALUE; NAME= gives an empty value"),
            Self::SameName | Self::SameChild => "leave one of them out".into(),
            Self::NoChild | Self::ChildName => format!("write {child} NAME=FILE; the guest starts FILE by that NAME"),
            Self::TooManyChildren(_) => "one child can be told by its arguments what to be".into(),
        }
    }
}

impl Grants {
    /// Grants from the values of `--dir` and `--env`; `variable` looks up what `--env NAME` passes on.
    ///
    /// # Errors
    /// The first grant that is not to be had.
    pub fn new(
        directories: &[OsString],
        env: &[OsString],
        children: &[OsString],
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Error> {
        if directories.len() > limits::DIRECTORIES {
            return Err(Wrong::whole(Setting::Dir, Reason::TooManyDirectories(directories.len())));
        }
        let mut grants = Self::default();
        for text in directories {
            grants.add_directory(Directory::parse(text)?)?;
        }
        for text in env {
            grants.add_variable(parse_variable(text, variable)?)?;
        }
        if children.len() > limits::MODULES {
            return Err(Wrong::whole(Setting::Child, Reason::TooManyChildren(children.len())));
        }
        for text in children {
            grants.add_child(parse_child(text)?)?;
        }
        Ok(grants)
    }

    fn add_directory(&mut self, directory: Directory) -> Result<(), Error> {
        let path = components(&directory.guest);
        if self.directories.iter().any(|other| components(&other.guest) == path) {
            return Err(Wrong::text(Setting::Dir, &directory.guest, Reason::SameGuestPath));
        }
        self.directories.push(directory);
        Ok(())
    }

    fn add_child(&mut self, (name, file): (String, PathBuf)) -> Result<(), Error> {
        if self.modules.iter().any(|(other, _)| *other == name) {
            return Err(Wrong::given(Setting::Child, name, Reason::SameChild));
        }
        self.modules.push((name, file));
        Ok(())
    }

    fn add_variable(&mut self, (name, value): (String, String)) -> Result<(), Error> {
        if self.env.iter().any(|(other, _)| *other == name) {
            return Err(Wrong::given(Setting::Env, escape(&name), Reason::SameName));
        }
        self.env.push((name, value));
        Ok(())
    }
}

/// `NAME=FILE`.
fn parse_child(text: &OsStr) -> Result<(String, PathBuf), Error> {
    let wrong = |reason| Wrong::text(Setting::Child, &text.to_string_lossy(), reason);
    let position = text.as_bytes().iter().position(|byte| *byte == b'=').ok_or_else(|| wrong(Reason::NoChild))?;
    let (name, file) = (&text.as_bytes()[..position], &text.as_bytes()[position + 1..]);
    if name.is_empty() || file.is_empty() {
        return Err(wrong(Reason::NoChild));
    }
    let name = std::str::from_utf8(name).ok().filter(|name| name.chars().all(is_plain));
    let name = name.ok_or_else(|| wrong(Reason::ChildName))?;
    Ok((name.into(), PathBuf::from(OsStr::from_bytes(file))))
}

/// A guest's path without what does not change its meaning: `/data/./x/` and `/data//x` are one path.
pub fn components(path: &str) -> (bool, Vec<&str>) {
    (path.starts_with('/'), path.split('/').filter(|part| !part.is_empty() && *part != ".").collect())
}

impl Directory {
    /// `HOST[::GUEST][:ro|rw]`, from the right: first the access, then the last `::`. Without an access, a single
    /// colon is refused rather than guessed at: it is `:wr` for `:rw`, or docker's `HOST:GUEST`.
    ///
    /// # Errors
    /// The path or the access is not one.
    pub fn parse(text: &OsStr) -> Result<Self, Error> {
        let wrong = |reason| Wrong::text(Setting::Dir, &text.to_string_lossy(), reason);
        let bytes = text.as_bytes();
        if bytes.contains(&0) {
            return Err(wrong(Reason::Null));
        }
        let (paths, access) = split_access(bytes);
        let (host, guest) = split_paths(paths);
        if access.is_none() && (host.contains(&b':') || guest.is_some_and(|guest| guest.contains(&b':'))) {
            return Err(wrong(Reason::UnknownAccess));
        }
        if host.is_empty() {
            return Err(wrong(Reason::NoHostPath));
        }
        let guest = std::str::from_utf8(guest.unwrap_or(host)).map_err(|_| wrong(Reason::GuestPathNotUtf8))?;
        if guest.is_empty() {
            return Err(wrong(Reason::NoGuestPath));
        }
        let host = PathBuf::from(OsStr::from_bytes(host));
        Ok(Self { host, guest: guest.into(), access: access.unwrap_or(Access::ReadOnly) })
    }
}

fn split_access(text: &[u8]) -> (&[u8], Option<Access>) {
    if let Some(paths) = text.strip_suffix(b":rw") {
        return (paths, Some(Access::ReadWrite));
    }
    text.strip_suffix(b":ro").map_or((text, None), |paths| (paths, Some(Access::ReadOnly)))
}

fn split_paths(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let border = text.windows(2).rposition(|pair| pair == b"::");
    border.map_or((text, None), |at| (&text[..at], Some(&text[at + 2..])))
}

fn parse_variable(text: &OsStr, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<(String, String), Error> {
    let bytes = text.as_bytes();
    let border = bytes.iter().position(|byte| *byte == b'=');
    let (name, value) = border.map_or((bytes, None), |at| (&bytes[..at], Some(&bytes[at + 1..])));
    if name.is_empty() {
        return Err(Wrong::text(Setting::Env, "=…", Reason::NoName));
    }
    let lossy = String::from_utf8_lossy(name);
    let wrong = |reason| Wrong::given(Setting::Env, escape(&lossy), reason);
    let Ok(name) = std::str::from_utf8(name) else {
        return Err(Wrong::text(Setting::Env, &lossy, Reason::NameNotUtf8));
    };
    let value = match value {
        Some(value) => value.to_vec(),
        None => variable(name).ok_or_else(|| wrong(Reason::NotSet))?.into_encoded_bytes(),
    };
    let value = String::from_utf8(value).map_err(|_| wrong(Reason::ValueNotUtf8))?;
    if name.contains('\0') || value.contains('\0') {
        return Err(wrong(Reason::NullInVariable));
    }
    Ok((name.into(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(text: &str) -> Result<(String, String, Access), Error> {
        let directory = Directory::parse(OsStr::new(text))?;
        Ok((directory.host.to_str().unwrap().into(), directory.guest, directory.access))
    }

    fn quoted(setting: Setting, shown: &str, reason: Reason) -> Error {
        Wrong::given(setting, format!("\"{shown}\""), reason)
    }

    fn dir(shown: &str, reason: Reason) -> Result<(String, String, Access), Error> {
        Err(quoted(Setting::Dir, shown, reason))
    }

    fn granted(host: &str, guest: &str, access: Access) -> Result<(String, String, Access), Error> {
        Ok((host.into(), guest.into(), access))
    }

    fn grants(directories: &[&str], env: &[&str]) -> Result<Grants, Error> {
        let owned = |texts: &[&str]| texts.iter().map(OsString::from).collect::<Vec<_>>();
        let variable = |name: &str| match name {
            "HOME" => Some("/home/me".into()),
            "BYTES" => Some(OsStr::from_bytes(b"\xff").into()),
            _ => None,
        };
        Grants::new(&owned(directories), &owned(env), &[], &variable)
    }

    #[test]
    fn a_directory_is_read_only_unless_it_says_rw() {
        use Access::{ReadOnly, ReadWrite};
        assert_eq!(directory("data"), granted("data", "data", ReadOnly));
        assert_eq!(directory("data:ro"), granted("data", "data", ReadOnly));
        assert_eq!(directory("data:rw"), granted("data", "data", ReadWrite));
        assert_eq!(directory("/srv/a::/data"), granted("/srv/a", "/data", ReadOnly));
        assert_eq!(directory("/srv/a::/data:rw"), granted("/srv/a", "/data", ReadWrite));
        assert_eq!(directory("/srv/a::b::/data:ro"), granted("/srv/a::b", "/data", ReadOnly));
        assert_eq!(directory("/srv/a:b:ro"), granted("/srv/a:b", "/srv/a:b", ReadOnly));
    }

    #[test]
    fn a_child_has_a_name_and_a_file() {
        let children = |texts: &[&str]| {
            let texts: Vec<OsString> = texts.iter().map(OsString::from).collect();
            Grants::new(&[], &[], &texts, &|_| None).map(|grants| grants.modules)
        };
        assert_eq!(children(&["a=b=c.wasm"]), Ok(vec![("a".to_owned(), PathBuf::from("b=c.wasm"))]));
        for text in ["a", "=b", "a=", ""] {
            assert_eq!(children(&[text]), Err(quoted(Setting::Child, text, Reason::NoChild)));
        }
        assert_eq!(children(&["a\n=b"]), Err(quoted(Setting::Child, "a\\n=b", Reason::ChildName)));
        assert_eq!(children(&["a=b", "a=c"]), Err(Wrong::given(Setting::Child, "a", Reason::SameChild)));
    }

    #[test]
    fn a_mistyped_access_is_never_part_of_a_name() {
        for text in ["data:wr", "data:", "/a:/b", "/a::b::/c", "/a::/b:RW", "::::"] {
            let error = directory(text).unwrap_err();
            let refused = matches!(error.reason, Reason::UnknownAccess | Reason::NoHostPath);
            assert!(refused, "{text}: {error}");
        }
    }

    #[test]
    fn an_empty_path_is_refused() {
        assert_eq!(directory(""), dir("", Reason::NoHostPath));
        assert_eq!(directory(":rw"), dir(":rw", Reason::NoHostPath));
        assert_eq!(directory("::/data"), dir("::/data", Reason::NoHostPath));
        assert_eq!(directory("/a::"), dir("/a::", Reason::NoGuestPath));
        assert_eq!(directory("/a:::rw"), dir("/a:::rw", Reason::NoGuestPath));
        assert_eq!(directory("/a\0b"), dir("/a\\u{0}b", Reason::Null));
    }

    #[test]
    fn two_directories_never_share_a_path_in_the_guest() {
        for pair in
            [["/a::/data", "/b::/data"], ["/a::/data", "/b::/data/"], ["/a::/x/./y", "/b::/x//y:rw"], [".", "./"]]
        {
            assert!(matches!(grants(&pair, &[]), Err(Error { reason: Reason::SameGuestPath, .. })), "{pair:?}");
        }
        assert_eq!(grants(&["/a::data", "/b::/data"], &[]).unwrap().directories.len(), 2);
    }

    #[test]
    fn a_host_path_need_not_be_text_if_the_guest_path_is() {
        let bytes = OsStr::from_bytes(b"/srv/\xff");
        assert_eq!(Directory::parse(bytes), Err(quoted(Setting::Dir, "/srv/\u{fffd}", Reason::GuestPathNotUtf8)));
        let named = Directory::parse(OsStr::from_bytes(b"/srv/\xff::/data")).unwrap();
        assert_eq!((named.host.as_os_str(), named.guest.as_str()), (bytes, "/data"));
    }

    #[test]
    fn one_directory_too_many_is_refused() {
        let names: Vec<String> = (0..=limits::DIRECTORIES).map(|number| format!("/d{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(grants(&names, &[]), Err(Wrong::whole(Setting::Dir, Reason::TooManyDirectories(65))));
        assert_eq!(grants(&names[1..], &[]).unwrap().directories.len(), 64);
    }

    #[test]
    fn a_variable_is_given_or_passed_on() {
        let env = grants(&[], &["A=1", "B=", "C=x=y", "HOME"]).unwrap().env;
        let expected = [("A", "1"), ("B", ""), ("C", "x=y"), ("HOME", "/home/me")];
        assert_eq!(env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_variable_that_cannot_be_given_is_refused_without_its_value() {
        assert_eq!(grants(&[], &["NOT_THERE"]), Err(Wrong::given(Setting::Env, "NOT_THERE", Reason::NotSet)));
        assert_eq!(grants(&[], &["BYTES"]), Err(Wrong::given(Setting::Env, "BYTES", Reason::ValueNotUtf8)));
        assert_eq!(grants(&[], &["A=1", "A=2"]), Err(Wrong::given(Setting::Env, "A", Reason::SameName)));
        let error = grants(&[], &["=secret"]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_name_in_an_error_cannot_write_to_the_terminal() {
        let error = grants(&["/a\x1b[2J::"], &[]).unwrap_err();
        assert_eq!(error.told(Names::Flags), "--dir \"/a\\u{1b}[2J::\": the guest's path is empty");
    }
}
