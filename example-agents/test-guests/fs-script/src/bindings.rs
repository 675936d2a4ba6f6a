//! The generated bindings of `wasi:filesystem`.
#![allow(unsafe_code, reason = "generated code crosses the component boundary by raw pointers")]

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package brio:fs-script; world script {
        import wasi:filesystem/preopens@0.2.12;
        import wasi:filesystem/types@0.2.12;
    }",
    world: "brio:fs-script/script",
    generate_all,
});
