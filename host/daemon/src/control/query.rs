//! The query of a request: strictly what its route knows.

use super::limits::{PARAMETER_BYTES, SELECTORS};
use super::refused::{Refused, shown};

#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query (what stands behind the `?`) with no other parameters than these.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, Refused> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key)?;
            if !known.contains(&key.as_str()) {
                return Err(unknown(&key, known));
            }
            // Only selectors may come more than once.
            if pairs.len() >= SELECTORS + known.len() {
                return Err(Refused::invalid(format!("the query has more than {SELECTORS} selectors"))
                    .with_hint("select by group, or `all`"));
            }
            pairs.push((key, decode(value)?));
        }
        Ok(Self { pairs })
    }

    /// All values of a parameter that may come more than once.
    pub(super) fn all(&self, key: &str) -> Vec<String> {
        self.of(key).map(ToOwned::to_owned).collect()
    }

    /// A whole number, at most this.
    pub(super) fn number(&self, key: &str, usual: u64, max: u64) -> Result<u64, Refused> {
        let Some(value) = self.one(key)? else { return Ok(usual) };
        let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
        let number = value.parse().ok().filter(|number| is_plain && *number <= max);
        number.ok_or_else(|| Refused::invalid(format!("{key}={} is no whole number from 0 to {max}", shown(value))))
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, Refused> {
        match self.one(key)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refused::invalid(format!("{key}={} is neither true nor false", shown(other)))),
        }
    }

    fn one(&self, key: &str) -> Result<Option<&str>, Refused> {
        let mut values = self.of(key);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Refused::invalid(format!("the query has {key} more than once"))),
        }
    }

    fn of(&self, key: &str) -> impl Iterator<Item = &str> {
        self.pairs.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

fn unknown(key: &str, known: &[&str]) -> Refused {
    let refused = Refused::invalid(format!("the query has {:?}, which is not known here", shown(key)));
    match known {
        [] => refused.with_hint("leave the query out"),
        known => refused.with_hint(format!("known here: {}", known.join(", "))),
    }
}

/// RFC 3986, 2.1: `%` and two digits are a byte.
pub(super) fn decode(text: &str) -> Result<String, Refused> {
    let wrong = |what: &str| Refused::invalid(format!("{:?} in the address {what}", shown(text)));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = rest.next().and_then(hex).zip(rest.next().and_then(hex));
            let (high, low) = digits.ok_or_else(|| wrong("has a % without two hexadecimal digits behind it"))?;
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    if bytes.len() > PARAMETER_BYTES {
        return Err(wrong(&format!("is longer than {PARAMETER_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
