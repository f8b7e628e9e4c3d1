//! Which kernels compute: told to libtorch by the only way it hears.

use std::env;

use tgs_engine::learn::PORTABLE;

use crate::configuration::Numerics;

/// Chooses the kernels of this process. Comes before any thread is started and any number computed:
/// the libraries ask once.
pub(crate) fn choose(numerics: Numerics) {
    if numerics == Numerics::Native {
        return;
    }
    for (name, value) in PORTABLE {
        #[expect(unsafe_code, reason = "libtorch reads its environment; called on a lone thread")]
        // SAFETY: no other thread runs that could read or write the environment meanwhile.
        unsafe {
            env::set_var(name, value);
        }
    }
}
