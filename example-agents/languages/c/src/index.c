#include "index.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct names {
  char **of;
  size_t count;
};

static bool fail(struct index_error *error, int kind, const char *path, const char *message) {
  error->kind = kind;
  snprintf(error->path, sizeof error->path, "%s", path);
  snprintf(error->message, sizeof error->message, "%s", message);
  return false;
}

static bool io(struct index_error *error, const char *path) {
  return fail(error, INDEX_IO, path, strerror(errno));
}

/* The path of a file; false where it is too long. */
static bool join(char *path, size_t size, const char *dir, const char *name) {
  int length = snprintf(path, size, "%s/%s", dir, name);
  if (length >= 0 && (size_t)length < size) return true;
  errno = ENAMETOOLONG;
  return false;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool add(struct names *names, const char *name) {
  char **of = realloc(names->of, (names->count + 1) * sizeof *of);
  if (!of) return false;
  names->of = of;
  if (!(of[names->count] = strdup(name))) return false;
  names->count++;
  return true;
}

static bool collect(const char *dir, struct names *names, struct index_error *error) {
  DIR *open = opendir(dir);
  if (!open) return io(error, dir);
  bool good = true;
  errno = 0;
  for (struct dirent *entry; good && (entry = readdir(open)); errno = 0) {
    char path[sizeof error->path];
    struct stat found;
    // `..` of the workspace leads out of it: even to look at it is refused.
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (!join(path, sizeof path, dir, entry->d_name) || lstat(path, &found)) {
      good = io(error, entry->d_name);
    } else if (S_ISREG(found.st_mode) && strcmp(entry->d_name, INDEX_FILE)) {
      good = add(names, entry->d_name) || io(error, path);
    }
  }
  if (good && errno) good = io(error, dir);
  closedir(open);
  return good;
}

/* Lines of a file, the last one also without an end. */
static bool count(const char *path, size_t *lines, struct index_error *error) {
  FILE *file = fopen(path, "rb");
  if (!file) return io(error, path);
  int last = '\n';
  *lines = 0;
  for (int byte; (byte = getc(file)) != EOF; last = byte) *lines += byte == '\n';
  *lines += last != '\n';
  bool good = !ferror(file) || io(error, path);
  fclose(file);
  return good;
}

static bool write_all(const char *dir, const char *title, const struct names *names,
                      struct index *index, struct index_error *error) {
  char path[sizeof error->path], target[sizeof error->path];
  if (!join(target, sizeof target, dir, INDEX_FILE)) return io(error, dir);
  FILE *out = fopen(target, "wb");
  if (!out) return io(error, target);
  fprintf(out, "# %s\n\n| file | lines |\n|---|---|\n", title);
  bool good = true;
  for (size_t i = 0; good && i < names->count; i++) {
    size_t lines = 0;
    good = join(path, sizeof path, dir, names->of[i]) || io(error, names->of[i]);
    good = good && count(path, &lines, error);
    if (!good) break;
    fprintf(out, "| %s | %zu |\n", names->of[i], lines);
    index->lines += lines;
  }
  if (good && ferror(out)) good = io(error, target);
  if (fclose(out) && good) good = io(error, target);
  return good;
}

bool index_write(const char *dir, const char *title, struct index *index,
                 struct index_error *error) {
  if (strchr(title, '\n'))
    return fail(error, INDEX_INVALID_TASK, "", "the title of the list must be one line");
  struct names names = {0};
  bool good = collect(dir, &names, error);
  if (good && names.count == 0) good = fail(error, INDEX_FAILED, "", "there are no files to list");
  *index = (struct index){.files = names.count};
  if (good) {
    qsort(names.of, names.count, sizeof *names.of, by_name);
    good = write_all(dir, title, &names, index, error);
  }
  for (size_t i = 0; i < names.count; i++) free(names.of[i]);
  free(names.of);
  return good;
}
