//! Inner loops with the widest vectors of the processor: [`widest`] compiles a function for those that every processor of the
//! target has, and once more for AVX2, and chooses when it is called.
//!
//! The choice is a load and a branch, so it is for loops over many bytes. The compiler makes the vectors: of plain loops over
//! arrays whose length is a multiple of 32. (Adapters of iterators it leaves as calls.)

/// Defines a function that is compiled twice.
macro_rules! widest {
    (
        $(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty $body:block
    ) => {
        $(#[$attribute])*
        fn $name($($argument: $type),*) -> $result {
            #[inline(always)]
            fn any($($argument: $type),*) -> $result $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn with_avx2($($argument: $type),*) -> $result {
                    any($($argument),*)
                }

                if $crate::wamp::widest::has_avx2() {
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

/// Whether the processor has AVX2. (Tests may look away.)
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx2() -> bool {
    #[cfg(test)]
    if tests::NARROW.get() {
        return false;
    }
    is_x86_feature_detected!("avx2")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    thread_local! {
        pub(super) static NARROW: Cell<bool> = const { Cell::new(false) };
    }

    /// Does it with the widest vectors and with those that every processor has.
    pub(crate) fn wide_and_narrow(test: impl Fn()) {
        for narrow in [false, true] {
            NARROW.set(narrow);
            test();
        }
        NARROW.set(false);
    }
}
