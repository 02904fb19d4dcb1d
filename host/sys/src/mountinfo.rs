//! How the kernel writes paths into the lines of mountinfo: proc_pid_mountinfo(5).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The path that a field says: blank, tab, newline and backslash are written as three octal digits behind a backslash.
pub fn path(field: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let escaped = octal(rest);
        path.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &rest[4..] } else { tail };
    }
    OsString::from_vec(path).into()
}

fn octal(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"\\")?.get(..3)?;
    u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::path;
    use std::path::Path;

    #[test]
    fn what_stands_for_blanks_and_backslashes_is_read_and_all_else_is_itself() {
        assert_eq!(path(br"/a\040b\011\134040"), Path::new("/a b\t\\040"));
        assert_eq!(path(br"/a\04"), Path::new(r"/a\04"));
    }
}
