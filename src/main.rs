//! The `interlock` program. Everything it does is in the library, see `interlock::cli`.

fn main() -> std::process::ExitCode {
    interlock::cli::main()
}
