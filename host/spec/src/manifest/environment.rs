//! `env`: a table of names and values, or a list as `--env` has it.

use super::value::{Reader, short};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeValue;

type Value<'i> = Spanned<DeValue<'i>>;

/// Why a variable can't be passed on, and where that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lacking {
    pub position: usize,
    pub reason: &'static str,
}

/// The variables of a job, and those that it is to have and nobody has here.
pub(super) struct Environment<'a> {
    pub env: &'a mut BTreeMap<String, String>,
    pub lacking: &'a mut BTreeMap<String, Lacking>,
}

impl Environment<'_> {
    /// A table adds to what is there, a list replaces it.
    pub(super) fn read(mut self, value: &Value<'_>, example: &str, reader: &mut Reader<'_>) {
        if let Some(table) = value.get_ref().as_table() {
            for (name, value) in table {
                self.variable(name.get_ref(), value, reader);
            }
            return;
        }
        self.env.clear();
        self.lacking.clear();
        if !value.get_ref().is_array() {
            return reader.wrong_type("env", value, "a table", example);
        }
        for (position, text) in
            reader.texts("env", value, "[\"LANG=C\", \"HOME\"]", |_, position, text| (position, text))
        {
            let name = text.split_once('=').map_or(text.as_str(), |(name, _)| name);
            if self.env.contains_key(name) || self.lacking.contains_key(name) {
                reader.fault(position, format!("env: {} is there twice; leave one of them out", short(name)));
            }
            match text.split_once('=') {
                Some((name, value)) => self.set(name, value.into()),
                None => self.pass_on(&text, position, reader),
            }
        }
    }

    fn variable(&mut self, name: &str, value: &Value<'_>, reader: &mut Reader<'_>) {
        match value.get_ref() {
            DeValue::Boolean(true) => self.pass_on(name, value.span().start, reader),
            _ => {
                let key = format!("env.{}", short(name));
                if let Some(text) = reader.text(&key, value, "\"C\", or true to pass it on") {
                    self.set(name, text);
                }
            }
        }
    }

    fn set(&mut self, name: &str, value: String) {
        self.lacking.remove(name);
        self.env.insert(name.into(), value);
    }

    /// A variable of whoever reads the manifest.
    fn pass_on(&mut self, name: &str, position: usize, reader: &Reader<'_>) {
        let reason = match (reader.surroundings().variable)(name).map(std::ffi::OsString::into_string) {
            Some(Ok(value)) => return self.set(name, value),
            Some(Err(_)) => "its value is not UTF-8, and guests get UTF-8",
            None => "it is not set here, so there is nothing to pass on; set it, or write a value",
        };
        self.env.remove(name);
        self.lacking.insert(name.into(), Lacking { position, reason });
    }
}
