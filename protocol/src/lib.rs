//! What nodes and the station say to each other, and what the station's API says.
#![cfg_attr(not(feature = "api"), no_std)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "api")]
pub mod api;
