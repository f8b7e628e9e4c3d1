//! The border to libtorch: errors become ours, threads are set for the thread that computes.

use std::ffi::c_int;

use tch::{TchError, Tensor};
use tgs_protocol::{code::Code, engine::EngineError};

/// What a libtorch call gives.
pub(crate) type Torch<T> = Result<T, TchError>;

/// Turns an error of libtorch into one of ours; `act` says what was being done.
pub(crate) fn failed(act: &'static str) -> impl Fn(TchError) -> EngineError {
    move |error| {
        let text = error.to_string();
        let starved = text.contains("out of memory") || text.contains("not enough memory");
        let code = match starved || text.contains("allocate memory") {
            true if text.contains("CUDA") => Code::DeviceMemory,
            true => Code::OutOfMemory,
            false => Code::DeviceFailed,
        };
        let remedy = match code {
            Code::OutOfMemory | Code::DeviceMemory => "lower `batch` or `width`, or free memory",
            _ => "try again; if it fails again, run on another machine",
        };
        // The first line says what happened; the rest is a stack of C++ frames.
        let cause = text.lines().next().unwrap_or_default().to_owned();
        EngineError::because(code, format!("{act} on the compute device failed: {remedy}"), cause)
    }
}

/// Answers MKL's question whether the processor is Intel's: yes.
///
/// MKL asks it before it looks for AVX-512, and gives other makers' processors the AVX2 kernels:
/// half the speed on an AMD one that has AVX-512. Which instructions there are it still asks the
/// processor itself. The executable's own answer comes before the library's, as `malloc` would.
#[expect(unsafe_code, reason = "the name is how MKL finds it; it takes and borrows nothing")]
#[unsafe(no_mangle)]
extern "C" fn mkl_serv_intel_cpu_true() -> c_int {
    1
}

/// Keeps the linker from dropping what only libtorch calls.
#[used]
static MKL_ANSWER: extern "C" fn() -> c_int = mkl_serv_intel_cpu_true;

/// Makes libtorch compute with `threads` threads when called from this thread.
///
/// OpenMP keeps the number per calling thread, but libtorch's first parallel call on a thread
/// copies a number that is global to the process. Asking for the number triggers that copy; the
/// second call then sets what stays.
pub(crate) fn use_threads(threads: u32) {
    let wanted = i32::try_from(threads.max(1)).unwrap_or(1);
    tch::set_num_threads(wanted);
    let _ = tch::get_num_threads();
    tch::set_num_threads(wanted);
}

/// A matrix of `columns` columns from values in row order.
pub(crate) fn matrix(values: &[f32], columns: usize) -> Torch<Tensor> {
    let columns = columns.max(1) as i64;
    Tensor::f_from_slice(values)?.f_view([values.len() as i64 / columns, columns])
}

/// The values of a tensor of single precision, in row order.
pub(crate) fn values(tensor: &Tensor) -> Torch<Vec<f32>> {
    let flat = tensor.f_contiguous()?;
    let mut out = vec![0.0_f32; flat.numel()];
    let count = out.len();
    flat.f_copy_data(&mut out, count)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A linker that hides the answer would halve the speed of some machines without a word.
    #[test]
    #[expect(unsafe_code, reason = "asks the loader which answer libtorch would find")]
    fn mkl_finds_our_answer() {
        let name = c"mkl_serv_intel_cpu_true";
        // SAFETY: the name ends with a zero; the address is compared, never called.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        assert_eq!(found.addr(), MKL_ANSWER as usize);
    }
}
