//! Readers of other people's formats are other people's code, and on some damaged files they panic
//! (the Parquet reader on a page whose dictionary is missing). Here that becomes an error.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use tgs_protocol::{code::Code, engine::EngineError, panic::message};

use crate::ingest::source::Source;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Reads; a panic is told as damage of the file, and nothing is printed.
///
/// # Errors
/// Those of `read`; `DATA-0007` for a panic.
pub fn guarded<T>(
    source: &Source,
    read: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
    GUARDED.set(true);
    // What `read` had begun is dropped: nobody sees it half done.
    let ended = panic::catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(false);
    ended.unwrap_or_else(|panic| {
        let text = message(panic.as_ref()).unwrap_or_default().to_owned();
        let name = source.path.display();
        let said = format!("cannot read {name}: the file is damaged; export it again");
        Err(EngineError::because(Code::CorruptSource, said, text))
    })
}
