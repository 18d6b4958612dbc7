//! The values that tickets consist of. Each validates itself: a value that exists is valid.

mod address;
mod cursor;
mod email;
mod enums;
mod external;
mod file_name;
mod file_type;
mod ids;
mod keys;
mod media;
mod new;
mod phone;
mod route;
mod search;
mod text;
mod timestamp;

pub use address::*;
pub use cursor::*;
pub use email::*;
pub use enums::*;
pub use external::*;
pub use file_name::*;
pub use file_type::*;
pub use ids::*;
pub use keys::*;
pub use media::*;
pub use new::*;
pub use phone::*;
pub use route::*;
pub use search::*;
pub use text::*;
pub use timestamp::*;

/// Why a value is invalid, for programs (`code`) and for people (`Display`).
pub trait ValidationError: std::error::Error {
    /// A stable code, such as `too_long`.
    fn code(&self) -> &'static str;
}

/// The error of a type for which every text is valid.
impl ValidationError for std::convert::Infallible {
    fn code(&self) -> &'static str {
        match *self {}
    }
}

/// A value that may hold personal data.
pub(crate) trait Redacted {
    /// Returns what replaces it after erasure. `FromStr` accepts it.
    fn redacted() -> Self;
}

/// A `Debug` that shows only the type's name, because logs must not contain what people wrote.
macro_rules! redacted_debug {
    ($type:ident) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    };
}
pub(crate) use redacted_debug;

/// A `Debug` that shows some fields and hides the values of the others.
macro_rules! partly_redacted_debug {
    ($type:ty, shows $($shown:ident),*; hides $($hidden:ident),+) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                // Fails to compile once a hidden field is removed.
                $(let _ = &self.$hidden;)+
                f.debug_struct(stringify!($type))
                    $(.field(stringify!($shown), &self.$shown))*
                    $(.field(stringify!($hidden), &format_args!("…")))+
                    .finish()
            }
        }
    };
}
pub(crate) use partly_redacted_debug;

/// Access to the text of a value that wraps one.
macro_rules! text_value {
    ($type:ident) => {
        impl $type {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_value;
