//! The query of a request: strictly what its route asks for. Asking is the definition: by it a query is read, and described.

use super::limits::{PARAMETER_BYTES, PARAMETERS, SELECTORS};
use sandhog_http::{Refused, shown};

/// What a route asks a query for.
pub(super) trait Asks: Sized + Send + 'static {
    /// Asks for each of its parameters, also where the query has none.
    fn of(query: &mut Query) -> Result<Self, Refused>;
}

/// No parameter at all.
impl Asks for () {
    fn of(_: &mut Query) -> Result<Self, Refused> {
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    /// Parameters that were asked for.
    pub parameters: Vec<Parameter>,
}

/// A parameter that a query may have.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the description is made by a test"))]
pub(super) struct Parameter {
    pub name: &'static str,
    /// A sentence.
    pub about: &'static str,
    pub takes: Takes,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the description is made by a test"))]
pub(super) enum Takes {
    /// It may come more than once.
    Selectors,
    /// True or false; false where it is left out.
    Flag,
    /// From 0 to `max`; None: any number of 64 bits.
    Number { usual: u64, max: Option<u64> },
}

const SELECT: Parameter = Parameter {
    name: "select",
    about: "Names, ids, `NAME/INSTANCE`, groups, or `all`. It may come more than once. Without it: all.",
    takes: Takes::Selectors,
};

impl Query {
    /// Reads a query: what stands behind the `?`.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Only selectors may come more than once.
            if pairs.len() >= SELECTORS + PARAMETERS {
                return Err(too_many());
            }
            pairs.push((decode(key)?, decode(value)?));
        }
        Ok(Self { pairs, parameters: Vec::new() })
    }

    /// The selectors.
    pub(super) fn selectors(&mut self) -> Result<Vec<String>, Refused> {
        self.parameters.push(SELECT);
        let selectors: Vec<_> = self.of(SELECT.name).map(ToOwned::to_owned).collect();
        if selectors.len() > SELECTORS { Err(too_many()) } else { Ok(selectors) }
    }

    /// A whole number of things, at most this.
    pub(super) fn count(
        &mut self,
        name: &'static str,
        about: &'static str,
        usual: usize,
        max: usize,
    ) -> Result<usize, Refused> {
        let number = self.number(name, about, usual as u64, Some(max as u64))?;
        Ok(usize::try_from(number).unwrap_or(max))
    }

    /// A whole number, at most this.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        about: &'static str,
        usual: u64,
        max: Option<u64>,
    ) -> Result<u64, Refused> {
        self.parameters.push(Parameter { name, about, takes: Takes::Number { usual, max } });
        let Some(value) = self.one(name)? else { return Ok(usual) };
        let is_plain = value.bytes().all(|byte| byte.is_ascii_digit());
        let max = max.unwrap_or(u64::MAX);
        let number = value.parse().ok().filter(|number| is_plain && *number <= max);
        number.ok_or_else(|| Refused::invalid(format!("{name}={} is no whole number from 0 to {max}", shown(value))))
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &'static str, about: &'static str) -> Result<bool, Refused> {
        self.parameters.push(Parameter { name, about, takes: Takes::Flag });
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refused::invalid(format!("{name}={} is neither true nor false", shown(other)))),
        }
    }

    /// Refuses a query with anything in it that was not asked for.
    pub(super) fn end(&self) -> Result<(), Refused> {
        let known = |key: &str| self.parameters.iter().any(|parameter| parameter.name == key);
        match self.pairs.iter().find(|(key, _)| !known(key)) {
            Some((key, _)) => Err(self.unknown(key)),
            None => Ok(()),
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

    fn unknown(&self, key: &str) -> Refused {
        let refused = Refused::invalid(format!("the query has {:?}, which is not known here", shown(key)));
        let known: Vec<_> = self.parameters.iter().map(|parameter| parameter.name).collect();
        if known.is_empty() {
            return refused.with_hint("leave the query out");
        }
        refused.with_hint(format!("known here: {}", known.join(", ")))
    }
}

fn too_many() -> Refused {
    Refused::invalid(format!("the query has more than {SELECTORS} selectors")).with_hint("select by group, or `all`")
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
