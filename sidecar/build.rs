//! How the gateway's program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A Rust program has some twenty thousand relocations, nearly all alike. Packed, they take 10 kB in place of half a
    // megabyte. The loader must know the format: glibc does since 2.36. The program runs in an image of its own, with the
    // C library that it was built with.
    if std::env::var("TARGET").is_ok_and(|target| target.ends_with("-linux-gnu")) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
