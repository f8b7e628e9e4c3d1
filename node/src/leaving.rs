//! The end of the process: at once, and with what was said written out.
//!
//! A thread may still be inside libtorch: when work is broken off it ends within a step, not at
//! once. The C library's `exit` would take libtorch's globals away under it and crash (status 139
//! instead of the documented one), so its destructors are not run. Nothing needs them: what counts
//! is durable, and locks go with the process.

use std::io::{Write, stderr, stdout};

/// An exit status, as in `std::process`, but one that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(u8);

impl ExitCode {
    /// All was done.
    pub const SUCCESS: Self = Self(0);
}

impl From<u8> for ExitCode {
    fn from(status: u8) -> Self {
        Self(status)
    }
}

/// Ends the process with this status.
pub fn leave(status: ExitCode) -> ! {
    let _ = stdout().flush();
    let _ = stderr().flush();
    leave_at_once(status)
}

/// The same without waiting for whoever reads what was said.
pub fn leave_at_once(status: ExitCode) -> ! {
    #[expect(unsafe_code, reason = "the standard library only offers an exit with destructors")]
    // SAFETY: `_exit` takes any status, touches no memory of ours, and does not return.
    unsafe {
        libc::_exit(i32::from(status.0))
    }
}
