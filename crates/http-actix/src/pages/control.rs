//! Controls of forms, each with its label, help and error, which screen readers read together.

use maud::{Markup, html};

use crate::pages::form_field::{FormField, InvalidField, InvalidFields};

/// One control.
#[derive(Clone, Copy)]
pub(crate) struct Control<'a> {
    pub(crate) field: FormField,
    /// The text that was typed before.
    pub(crate) value: &'a str,
    pub(crate) error: Option<&'a str>,
    /// A hint for filling it in; may be empty.
    pub(crate) help: &'a str,
}

impl Control<'_> {
    /// A field for one line. `kind` is its input type, `autocomplete` what browsers may fill in.
    pub(crate) fn line(self, kind: &str, autocomplete: &str) -> Markup {
        self.with(&html! {
            input.input type=(kind) #(self.field.name) name=(self.field.name) value=(self.value) dir="auto" required[self.field.is_required()]
                autocomplete=(autocomplete) aria-invalid=[self.error.map(|_| "true")] aria-describedby=[self.described_by()];
        })
    }

    /// A field for several lines of at most `max` characters. The script counts down near the end.
    pub(crate) fn area(self, max: usize) -> Markup {
        self.with(&html! {
            // Browsers remove the first line break.
            textarea.input #(self.field.name) name=(self.field.name) rows="5" dir="auto" required[self.field.is_required()] data-max=(max)
                aria-invalid=[self.error.map(|_| "true")] aria-describedby=[self.described_by()] { "\n" (self.value) }
        })
    }

    fn with(&self, input: &Markup) -> Markup {
        html! {
            div.field {
                label for=(self.field.name) { (self.field.label) }
                @if !self.help.is_empty() { p.help #{ (self.field.name) "-help" } { (self.help) } }
                (input)
                (error_line(self.field, self.error))
            }
        }
    }

    fn described_by(&self) -> Option<String> {
        let name = self.field.name;
        let help = (!self.help.is_empty()).then(|| format!("{name}-help"));
        let error = self.error.map(|_| format!("{name}-fault"));
        let ids: Vec<String> = help.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

/// The error beside the control.
pub(crate) fn error_line(field: FormField, error: Option<&str>) -> Markup {
    html! { @if let Some(error) = error { p.fault #{ (field.name) "-fault" } { (error) } } }
}

/// All errors, with links to their controls. It has the focus when the page opens, and is read out.
pub(crate) fn summary(errors: &InvalidFields) -> Markup {
    let link =
        |InvalidField { field, message }: &InvalidField| html! { li { a href={ "#" (field.name) } { (message) } } };
    html! {
        @if !errors.is_empty() {
            div.notice.danger #faults role="alert" tabindex="-1" autofocus {
                h2 { @match errors.iter().count() { 1 => { "Please check this field" } count => { "Please check " (count) " fields" } } }
                ul { @for error in errors.iter() { (link(error)) } }
            }
        }
    }
}
