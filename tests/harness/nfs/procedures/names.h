/* Links, changes of names, listings. */
#pragma once
#include "files.h"

static const char zero[8];

static void links_are_made(void) {
  struct handle file = made("linked"), there;
  IS(link3(&file, &work, "second"), NFS3_OK);
  IS(getattr(&file), NFS3_OK);
  IS(ATTRIBUTES.nlink, 2);
  uint64_t id = ATTRIBUTES.fileid;
  IS(lookup(&work, "second"), NFS3_OK);
  there = got;
  IS(getattr(&there), NFS3_OK);
  CHECK(ATTRIBUTES.fileid == id);
  IS(link3(&file, &work, "second"), NFS3ERR_EXIST);
  CHECK(link3(&work, &root, "directory") > 0);
  IS(link3(&file, &file, "below"), NFS3ERR_NOTDIR);
  IS(write3(&there, 0, "both", 4, FILE_SYNC), NFS3_OK);
  IS(read3(&file, 0, 100), NFS3_OK);
  CHECK(bytes_len == 4);
  IS(remove3(&work, "linked"), NFS3_OK);
  /* The file is there by its other name. */
  IS(getattr(&there), NFS3_OK);
  IS(ATTRIBUTES.nlink, 1);
  IS(getattr(&file), NFS3_OK);

  static char target[1001];
  memset(target, 't', 1000);
  IS(symlink3(&work, "soft", target), NFS3_OK);
  there = got;
  IS(readlink3(&there), NFS3_OK);
  CHECK(bytes_len == 1000 && memcmp(bytes, target, 1000) == 0);
  IS(getattr(&there), NFS3_OK);
  IS(ATTRIBUTES.type, NF3LNK);
  IS(ATTRIBUTES.size, 1000);
  IS(readlink3(&file), NFS3ERR_INVAL);
  IS(symlink3(&work, "soft", "x"), NFS3ERR_EXIST);
  IS(symlink3(&work, "out", "/etc/../../passwd"), NFS3_OK);
  there = got;
  IS(readlink3(&there), NFS3_OK);
  CHECK(strcmp(bytes, "/etc/../../passwd") == 0);
  IS(lookup(&there, "x"), NFS3ERR_NOTDIR);
}

static void names_are_changed(void) {
  struct handle file = made("from"), over = made("over"), dir, sub;
  IS(mkdir3(&work, "dir"), NFS3_OK);
  dir = got;
  IS(mkdir3(&dir, "sub"), NFS3_OK);
  sub = got;
  IS(mkdir3(&work, "dir"), NFS3ERR_EXIST);
  IS(mkdir3(&file, "dir"), NFS3ERR_NOTDIR);
  IS(rename3(&work, "from", &dir, "to"), NFS3_OK);
  RENAME3resok *ok = &((RENAME3res *)answer)->RENAME3res_u.resok;
  CHECK(ok->fromdir_wcc.after.attributes_follow && ok->todir_wcc.after.attributes_follow);
  IS(lookup(&work, "from"), NFS3ERR_NOENT);
  IS(lookup(&dir, "to"), NFS3_OK);
  /* A handle stays that of its file. */
  IS(write3(&file, 0, "moved", 5, FILE_SYNC), NFS3_OK);
  IS(rename3(&dir, "to", &work, "over"), NFS3_OK);
  IS(getattr(&over), NFS3ERR_STALE);
  IS(read3(&over, 0, 10), NFS3ERR_STALE);
  IS(size_of(&file), 5);
  IS(rename3(&work, "missing", &work, "x"), NFS3ERR_NOENT);
  int status = rename3(&work, "dir", &work, "over");
  CHECK(status == NFS3ERR_NOTDIR || status == NFS3ERR_EXIST);
  status = rename3(&work, "over", &work, "dir");
  CHECK(status == NFS3ERR_ISDIR || status == NFS3ERR_EXIST || status == NFS3ERR_NOTEMPTY);
  IS(rename3(&work, "dir", &sub, "into-itself"), NFS3ERR_INVAL);
  IS(rename3(&work, "over", &work, "over"), NFS3_OK);
  CHECK(rename3(&work, ".", &work, "x") > 0 && rename3(&work, "over", &work, "..") > 0);
  IS(mkdir3(&work, "full"), NFS3_OK);
  struct handle full = got;
  IS(create(&full, "x", GUARDED, NULL), NFS3_OK);
  status = rename3(&work, "dir", &work, "full");
  CHECK(status == NFS3ERR_NOTEMPTY || status == NFS3ERR_EXIST);
  IS(rmdir3(&work, "full"), NFS3ERR_NOTEMPTY);
  IS(rmdir3(&work, "over"), NFS3ERR_NOTDIR);
  IS(rmdir3(&work, "missing"), NFS3ERR_NOENT);
  CHECK(rmdir3(&work, ".") == NFS3ERR_INVAL);
  status = rmdir3(&work, "..");
  CHECK(status == NFS3ERR_EXIST || status == NFS3ERR_INVAL || status == NFS3ERR_NOTEMPTY);
  status = remove3(&work, "full");
  CHECK(status == NFS3ERR_ISDIR || status == NFS3ERR_PERM);
  IS(remove3(&full, "x"), NFS3_OK);
  CHECK(((REMOVE3res *)answer)->REMOVE3res_u.resok.dir_wcc.after.attributes_follow);
  IS(rmdir3(&work, "full"), NFS3_OK);
  IS(getattr(&full), NFS3ERR_STALE);
  IS(create(&full, "y", GUARDED, NULL), NFS3ERR_STALE);
  IS(readdir3(&full, 0, zero, 4096), NFS3ERR_STALE);
  IS(rename3(&work, "dir", &root, "dir-moved"), NFS3_OK);
  IS(lookup(&sub, ".."), NFS3_OK);
  CHECK(got.len == dir.len && memcmp(got.bytes, dir.bytes, dir.len) == 0);
  IS(create(&sub, "in-moved", GUARDED, NULL), NFS3_OK);
  IS(rename3(&root, "dir-moved", &work, "dir"), NFS3_OK);
  IS(remove3(&work, "over"), NFS3_OK);
  IS(remove3(&work, "over"), NFS3ERR_NOENT);
  IS(getattr(&file), NFS3ERR_STALE);
  IS(write3(&file, 0, "x", 1, FILE_SYNC), NFS3ERR_STALE);
  /* What has its name now is another file. */
  struct handle another = made("over");
  CHECK(another.len != file.len || memcmp(another.bytes, file.bytes, file.len) != 0);
  IS(getattr(&file), NFS3ERR_STALE);
}

static int seen[1500];
static void mark(void) {
  for (unsigned i = 0; i < entries; i++) {
    int number;
    if (sscanf(names[i], "entry-%d", &number) == 1 && number >= 0 && number < 1500) seen[number]++;
    else CHECK(strcmp(names[i], ".") == 0 || strcmp(names[i], "..") == 0);
  }
}

static void listed(struct handle *dir, int plus, unsigned count, int remove) {
  uint64_t cookie = 0;
  char verifier[8] = "";
  unsigned rounds = 0, all = 0;
  memset(seen, 0, sizeof seen);
  do {
    IS(plus ? readdirplus(dir, cookie, verifier, count, 4 * count)
            : readdir3(dir, cookie, verifier, count), NFS3_OK);
    if (rpc_status != RPC_STATUS_SUCCESS || (entries == 0 && !at_end) || rounds++ > 3000) {
      CHECK(!"entries come until the end");
      return;
    }
    if (plus) CHECK(with_attributes + 2 >= entries && with_handles + 2 >= entries);
    memcpy(verifier, plus ? ((READDIRPLUS3res *)answer)->READDIRPLUS3res_u.resok.cookieverf
                          : ((READDIR3res *)answer)->READDIR3res_u.resok.cookieverf, 8);
    mark();
    all += entries;
    if (entries) cookie = cookies[entries - 1];
    int last = at_end;
    if (remove) {
      static char gone[4000][256];
      unsigned n = entries;
      memcpy(gone, names, sizeof gone);
      for (unsigned i = 0; i < n; i++)
        if (gone[i][0] != '.') IS(remove3(dir, gone[i]), NFS3_OK);
    }
    at_end = last;
  } while (!at_end);
  for (int i = 0; i < 1500; i++)
    if (seen[i] != 1) {
      CHECK(!"each entry is listed once");
      fprintf(stderr, "  entry-%d: %d times, %u in all\n", i, seen[i], all);
      break;
    }
  CHECK(rounds > 1);
}

static void directories_are_listed(void) {
  IS(mkdir3(&work, "many"), NFS3_OK);
  struct handle many = got;
  char name[64];
  for (int i = 0; i < 1500; i++) {
    snprintf(name, sizeof name, "entry-%d", i);
    IS(create(&many, name, UNCHECKED, NULL), NFS3_OK);
  }
  listed(&many, 0, 512, 0);
  listed(&many, 0, 8192, 0);
  listed(&many, 1, 1024, 0);
  listed(&many, 1, 32768, 0);
  IS(readdir3(&many, 0, zero, 4096), NFS3_OK);
  IS(lookup(&many, "entry-7"), NFS3_OK);
  struct handle one = got;
  uint64_t id = ((LOOKUP3res *)answer)->LOOKUP3res_u.resok.obj_attributes.post_op_attr_u.attributes.fileid;
  IS(readdirplus(&many, 0, zero, 32768, 1 << 20), NFS3_OK);
  for (unsigned i = 0; i < entries; i++)
    if (strcmp(names[i], "entry-7") == 0) CHECK(ids[i] == id);
  IS(readdir3(&one, 0, zero, 4096), NFS3ERR_NOTDIR);
  IS(readdirplus(&one, 0, zero, 4096, 4096), NFS3ERR_NOTDIR);
  IS(readdir3(&many, 0, zero, 10), NFS3ERR_TOOSMALL);
  IS(readdirplus(&many, 0, zero, 10, 10), NFS3ERR_TOOSMALL);
  int status = readdir3(&many, 0xfffffffffffffff0ULL, zero, 4096);
  CHECK(status == NFS3ERR_BAD_COOKIE || (status == NFS3_OK && at_end));
  listed(&many, 0, 1000, 1);
  IS(rmdir3(&work, "many"), NFS3_OK);
}
