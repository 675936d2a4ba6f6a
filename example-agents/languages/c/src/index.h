/* The work itself. It uses POSIX only, so that `make test` runs it natively. */
#ifndef INDEX_H
#define INDEX_H

#include <stdbool.h>
#include <stddef.h>

/* The file that is written. */
#define INDEX_FILE "INDEX.md"

/* What was listed. */
struct index {
  size_t files;
  size_t lines;
};

/* Why nothing was. `path`: which file, of INDEX_IO only. */
struct index_error {
  enum { INDEX_INVALID_TASK, INDEX_FAILED, INDEX_IO } kind;
  char path[4096];
  char message[256];
};

/* Lists the files in `dir`, with their lines, in its INDEX.md. */
bool index_write(const char *dir, const char *title, struct index *index,
                 struct index_error *error);

#endif
