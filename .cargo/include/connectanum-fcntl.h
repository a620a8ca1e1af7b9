/* <fcntl.h> for C alone: assembler files get the same flags, and cannot read it. See config.toml. */
#ifndef __ASSEMBLER__
#include <fcntl.h>
#endif
