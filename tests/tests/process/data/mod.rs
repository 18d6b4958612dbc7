//! A whole store or everything of a person: `server copy`, `backup`, `restore`, `export` and `erase`.

mod backup;
mod copy;
mod person;
mod refused;
mod stores;
