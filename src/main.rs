//! The `interlock` program. Everything it does is in the library, see `interlock::cli`.

/// A delivery makes and drops a few hundred small values; the system's allocator took a fifth of the time that one costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    interlock::cli::main()
}
