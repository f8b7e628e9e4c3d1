//! Prints the kinds, reasons and notices of a file: what a user would check before training.

use std::{env, path::Path, time::Instant};

use tgs_engine::ingest::read_table;
use tgs_protocol::progress::Unwatched;

fn main() {
    for path in env::args().skip(1) {
        let begun = Instant::now();
        match read_table(Path::new(&path), None, &Unwatched) {
            Ok((table, notices)) => {
                println!("{path}: {} rows, {:.3} s", table.rows(), begun.elapsed().as_secs_f64());
                for column in table.columns() {
                    let spec = &column.spec;
                    println!(
                        "  {}\t{:?}\t{}\t{:?}\t{:?}",
                        spec.name, spec.kind, spec.reason, spec.format, spec.missing_token
                    );
                }
                notices.iter().for_each(|notice| println!("  notice: {notice}"));
            }
            Err(error) => println!("{path}: {:?} {error}", error.code()),
        }
    }
}
