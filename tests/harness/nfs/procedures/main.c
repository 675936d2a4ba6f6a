/* All 22 procedures of NFSv3 and the six of MOUNT (RFC 1813), each with its errors, by libnfs, whose
 * coding of the messages nobody here wrote: procedures SERVER PORT EXPORT. Prints "ok NAME" and
 * "bad NAME"; what was not as it must be stands on standard error. */
#include "names.h"

static void mount_service(void) {
  connect_to(MOUNT_PROGRAM);
  CALL(int, NOTHING, rpc_mount3_null_async(rpc, answered, NULL));
  IS(rpc_status, RPC_STATUS_SUCCESS);
  mountres3 *m = CALL(mountres3, MOUNTED, rpc_mount3_mnt_async(rpc, answered, (char *)export, NULL));
  IS(rpc_status, RPC_STATUS_SUCCESS);
  IS(m->fhs_status, MNT3_OK);
  CHECK(got.len > 0 && got.len <= 64);
  root = got;
  m = CALL(mountres3, MOUNTED,
           rpc_mount3_mnt_async(rpc, answered, "/exports/nothing-of-this-name", NULL));
  CHECK(m->fhs_status == MNT3ERR_NOENT || m->fhs_status == MNT3ERR_ACCES);
  CALL(void *, EXPORTED, rpc_mount3_export_async(rpc, answered, NULL));
  IS(rpc_status, RPC_STATUS_SUCCESS);
  int listed = 0;
  for (unsigned i = 0; i < entries; i++) listed |= strcmp(names[i], export) == 0;
  CHECK(listed);
  CALL(void *, NOTHING, rpc_mount3_dump_async(rpc, answered, NULL));
  IS(rpc_status, RPC_STATUS_SUCCESS);
  CALL(int, NOTHING, rpc_mount3_umnt_async(rpc, answered, (char *)export, NULL));
  IS(rpc_status, RPC_STATUS_SUCCESS);
  CALL(int, NOTHING, rpc_mount3_umntall_async(rpc, answered, NULL));
  IS(rpc_status, RPC_STATUS_SUCCESS);
  connect_to(NFS_PROGRAM);
  CALL(int, NOTHING, rpc_nfs3_null_async(rpc, answered, NULL));
  IS(rpc_status, RPC_STATUS_SUCCESS);
}

static void the_file_system_is_told_of(void) {
  FSSTAT3args stat = {fh(&root)};
  IS(STATUS(FSSTAT3res, NOTHING, rpc_nfs3_fsstat_async(rpc, answered, &stat, NULL)), NFS3_OK);
  FSSTAT3resok s = ((FSSTAT3res *)answer)->FSSTAT3res_u.resok;
  CHECK(s.tbytes > 0 && s.fbytes <= s.tbytes && s.abytes <= s.fbytes);
  CHECK(s.ffiles <= s.tfiles && s.afiles <= s.ffiles);
  FSINFO3args info = {fh(&root)};
  IS(STATUS(FSINFO3res, NOTHING, rpc_nfs3_fsinfo_async(rpc, answered, &info, NULL)), NFS3_OK);
  FSINFO3resok i = ((FSINFO3res *)answer)->FSINFO3res_u.resok;
  CHECK(i.rtmax >= 8192 && i.wtmax >= 8192 && i.rtpref <= i.rtmax && i.wtpref <= i.wtmax);
  CHECK(i.dtpref >= 4096 && i.maxfilesize >= 1ULL << 40);
  IS(i.properties & 0x1b, 0x1b);
  PATHCONF3args conf = {fh(&root)};
  IS(STATUS(PATHCONF3res, NOTHING, rpc_nfs3_pathconf_async(rpc, answered, &conf, NULL)), NFS3_OK);
  PATHCONF3resok c = ((PATHCONF3res *)answer)->PATHCONF3res_u.resok;
  CHECK(c.name_max == 255 && c.no_trunc && c.case_preserving && !c.case_insensitive);
  CHECK(c.linkmax > 1);
  stat.fsroot = info.fsroot = conf.object = fh(&nobody);
  CHECK(STATUS(FSSTAT3res, NOTHING, rpc_nfs3_fsstat_async(rpc, answered, &stat, NULL)) > 0);
  CHECK(STATUS(FSINFO3res, NOTHING, rpc_nfs3_fsinfo_async(rpc, answered, &info, NULL)) > 0);
  CHECK(STATUS(PATHCONF3res, NOTHING, rpc_nfs3_pathconf_async(rpc, answered, &conf, NULL)) > 0);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: procedures SERVER PORT EXPORT\n");
    return 2;
  }
  server = argv[1], port = atoi(argv[2]), export = argv[3];
  test("NULL MNT DUMP UMNT UMNTALL EXPORT", mount_service);
  test("GETATTR SETATTR MKDIR", attributes);
  test("LOOKUP ACCESS", names_are_looked_up);
  test("CREATE MKNOD", files_are_created);
  test("WRITE COMMIT READ", data_is_written_and_read);
  test("LINK SYMLINK READLINK", links_are_made);
  test("RENAME REMOVE RMDIR", names_are_changed);
  test("READDIR READDIRPLUS", directories_are_listed);
  test("FSSTAT FSINFO PATHCONF", the_file_system_is_told_of);
  rpc_destroy_context(rpc);
  return 0;
}
