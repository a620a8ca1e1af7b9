//! Inner loops with the widest vectors of the processor: [`widest`] compiles a function for those that every processor of the
//! target has, and once more for AVX2, and chooses when it is called.
//!
//! The choice is a load and a branch, so it is for loops over many bytes. The compiler makes the vectors, of loops over
//! arrays whose length is a multiple of 32.

/// Defines a function, which must not be a method, that takes and gives no borrow but by elided lifetimes.
macro_rules! widest {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block
    ) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) -> $result {
            #[inline(always)]
            fn any($($argument: $type),*) -> $result $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $type),*) -> $result {
                    any($($argument),*)
                }

                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has AVX2.
                    #[allow(unsafe_code)]
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            any($($argument),*)
        }
    };
}
pub(crate) use widest;
