//! An error and what it came of. An error's own text never repeats that of its source, so whoever shows one to people, or
//! sends it as text, says the whole chain, once, by [`one_line`].

use std::error::Error;

/// The error, then its source, then that one's, to the last.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The error and its causes: `failed to open x: no such file`.
#[must_use]
pub fn one_line(error: &(dyn Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;

    #[test]
    fn each_cause_is_said_once() {
        let torn = frame::decode_body::<u32>(b"\xa1x").unwrap_err();
        let cause = torn.source().unwrap().to_string();
        let text = one_line(&torn);
        assert_eq!(text, format!("not a message of this protocol: {cause}"));
        assert_eq!(text.matches(&cause).count(), 1);
    }
}
