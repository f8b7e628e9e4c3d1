//! Processes that no test leaves behind: when the one that started them dies, however it dies, the
//! kernel kills them.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::{
        LazyLock,
        mpsc::{self, Sender},
    },
    thread,
};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// Starts a program that dies with this process.
///
/// The kernel takes the *thread* that started a process for its parent. Threads of tests end with
/// their test; this one lasts as long as the process.
///
/// # Errors
/// When it cannot be started.
///
/// # Panics
/// Never: the thread that starts lasts.
pub fn start(mut command: Command) -> io::Result<Child> {
    type Order = (Command, Sender<io::Result<Child>>);
    static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
        let (send, orders) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in orders {
                // Who asked waits for the reply.
                let _ = reply.send(command.spawn());
            }
        });
        send
    });
    let starter = getpid();
    let die_together = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The starter may have died before it could be said.
        match getppid() == Some(starter) {
            true => Ok(()),
            false => Err(io::ErrorKind::Interrupted.into()),
        }
    };
    #[expect(unsafe_code, reason = "only here can the child say that it dies with its parent")]
    // SAFETY: between fork and exec it makes two system calls, and allocates nothing.
    unsafe {
        command.pre_exec(die_together);
    }
    let (reply, started) = mpsc::channel();
    STARTER.send((command, reply)).expect("the thread lasts");
    started.recv().expect("the thread replies")
}
