//! Reads variables and collects their errors.

use std::{ffi::OsString, fmt, fs, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// Looks up a variable of the environment.
pub type LookUp<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// An invalid variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Its name.
    pub variable: String,
    /// What would be valid. Never contains the value.
    pub problem: String,
}

/// All errors of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration can't be used:")?;
        for ConfigError { variable, problem } in &self.0 {
            write!(f, "\n  {variable}: {problem}")?;
        }
        Ok(())
    }
}

/// Reads variables and collects errors and warnings.
pub(super) struct Variables<'a> {
    look_up: &'a LookUp<'a>,
    faults: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl<'a> Variables<'a> {
    pub(super) fn new(look_up: &'a LookUp<'a>) -> Self {
        Self {
            look_up,
            faults: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Returns the warnings, or the errors if there are any.
    pub(super) fn finish(self) -> Result<Vec<String>, ConfigErrors> {
        if self.faults.is_empty() {
            Ok(self.warnings)
        } else {
            Err(ConfigErrors(self.faults))
        }
    }

    pub(super) fn fault(&mut self, variable: &str, problem: impl Into<String>) {
        self.faults.push(ConfigError {
            variable: variable.into(),
            problem: problem.into(),
        });
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Reads a text, trimmed. Blank counts as unset, because compose files pass empty variables.
    pub(super) fn text(&mut self, variable: &str) -> Option<String> {
        let Ok(value) = (self.look_up)(variable)?.into_string() else {
            self.fault(variable, "must be UTF-8 text");
            return None;
        };
        // It may be a secret.
        let value = Zeroizing::new(value);
        let text = value.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Reads a value of a type that implements `FromStr`.
    pub(super) fn parsed<T: FromStr>(&mut self, variable: &str, wanted: &str) -> Option<T> {
        let text = self.text(variable)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.fault(variable, format!("must be {wanted}"));
        }
        parsed
    }

    /// Reads an integer within bounds.
    pub(super) fn number(&mut self, variable: &str, least: u32, most: u32, default: u32) -> u32 {
        let wanted = format!("a whole number from {least} to {most}");
        match self.parsed(variable, &wanted) {
            Some(number) if !(least..=most).contains(&number) => {
                self.fault(variable, format!("must be {wanted}"));
                default
            }
            Some(number) => number,
            None => default,
        }
    }

    /// Reads one of several words.
    pub(super) fn word<T: Copy>(&mut self, variable: &str, words: &[(&str, T)], default: T) -> T {
        let Some(text) = self.text(variable) else {
            return default;
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        self.fault(variable, format!("must be one of: {}", known.join(", ")));
        default
    }

    /// Whether the variable or `NAME_FILE` is set.
    pub(super) fn is_set(&mut self, variable: &str) -> bool {
        self.text(variable).is_some() || self.text(&format!("{variable}_FILE")).is_some()
    }

    /// Reads a secret from the variable, or from the file that `NAME_FILE` names. Temporary copies are zeroed.
    pub(super) fn secret(&mut self, variable: &str) -> Option<SecretString> {
        let file_variable = format!("{variable}_FILE");
        let inline = self.text(variable).map(Zeroizing::new);
        let secret = match (inline, self.text(&file_variable)) {
            (Some(_), Some(_)) => {
                self.fault(variable, format!("is set, and {file_variable} too; set one of them"));
                return None;
            }
            (Some(text), None) => text,
            (None, Some(path)) => match fs::read_to_string(path) {
                Ok(content) => Zeroizing::new(Zeroizing::new(content).trim().to_owned()),
                Err(error) => {
                    self.fault(&file_variable, format!("names a file that can't be read: {error}"));
                    return None;
                }
            },
            (None, None) => return None,
        };
        if secret.is_empty() {
            self.fault(&file_variable, "names an empty file");
            return None;
        }
        if ['"', '\'']
            .iter()
            .any(|quote| secret.len() > 1 && secret.starts_with(*quote) && secret.ends_with(*quote))
        {
            self.warn(format!(
                "{variable} begins and ends with a quote, which is part of the secret; remove both unless you mean them"
            ));
        }
        Some(secret.as_str().into())
    }

    /// Warns about a secret that is easy to guess.
    pub(super) fn warn_if_short(&mut self, variable: &str, secret: &SecretString) {
        let length = secret.expose_secret().chars().count();
        if length < 32 {
            self.warn(format!(
                "{variable} is short ({length} characters); make one with `openssl rand -hex 32`"
            ));
        }
    }
}
