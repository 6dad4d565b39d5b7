import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/**
 * Packages of which Debian's part of `gcr.io/distroless/cc-debian13` is made, as far as this Debian has them. Nothing else of this machine is
 * in the image, so that a library which the base lacks is missed here too.
 */
const CC_PACKAGES = [
  "base-files",
  "ca-certificates",
  "libc6",
  "libgcc-s1",
  "libgomp1",
  "libssl3",
  "libssl3t64",
  "libstdc++6",
  "netbase",
  "tzdata",
  "zlib1g",
];

/** Folders that are links to those below /usr. */
const MERGED = ["bin", "lib", "lib64", "sbin"];

/** Makes `root` look like this machine, with the Node.js of the workspace: it stands for `node:26.10.0-trixie-slim`, whose npm and shell it needs. */
function makeNodeBase(root: string, scratch: string): void {
  const [upper, work] = [join(scratch, "upper"), join(scratch, "work")];
  for (const folder of [root, upper, work]) mkdirSync(folder, { recursive: true });
  execFileSync("mount", ["-t", "overlay", "overlay", "-o", `lowerdir=/,upperdir=${upper},workdir=${work}`, root]);
  execFileSync("mount", ["-t", "proc", "proc", join(root, "proc")]);
  execFileSync("mount", ["--rbind", "/dev", join(root, "dev")]);
  const node = join(root, "usr", "local", "bin", "node");
  mkdirSync(dirname(node), { recursive: true });
  cpSync(process.execPath, node, { force: true, dereference: true });
}

function copyFile(root: string, path: string): void {
  if (!existsSync(path) || lstatSync(path).isDirectory()) return;
  // The files of older packages are listed under /lib, which is a link.
  const target = join(root, path.replace(/^\/(bin|lib|lib64|sbin)\//, "/usr/$1/"));
  mkdirSync(dirname(target), { recursive: true });
  if (lstatSync(path).isSymbolicLink()) {
    if (!existsSync(target)) symlinkSync(readlinkSync(path), target);
  } else cpSync(path, target);
}

/** Makes `root` of the files of the packages of which the base is made. */
function makeCcBase(root: string): void {
  mkdirSync(join(root, "usr"), { recursive: true });
  for (const name of MERGED) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(join("usr", name), join(root, name));
  }
  for (const name of CC_PACKAGES) {
    let listed = "";
    try {
      listed = execFileSync("dpkg", ["-L", name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    } catch {
      continue; // libssl3 has another name in newer ones
    }
    for (const path of listed.split("\n").filter((each) => each !== "" && !each.startsWith("/usr/share/doc")))
      copyFile(root, path);
  }
  copyFile(root, "/etc/ssl/certs/ca-certificates.crt");
  for (const folder of ["proc", "dev", "sys", "tmp", "home/nonroot"])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(
    join(root, "etc", "passwd"),
    "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
  );
  const release = readFileSync("/etc/os-release", "utf8");
  writeFileSync(join(root, "etc", "os-release"), release);
}

/** Makes the root folder that an image begins with, out of what this Debian has. `scratch` holds what else it needs. */
export function makeBase(image: string, root: string, scratch: string): void {
  mkdirSync(root, { recursive: true });
  if (/^node:[\d.]+-trixie-slim$/.test(image)) makeNodeBase(root, scratch);
  else if (image === "gcr.io/distroless/cc-debian13:nonroot") makeCcBase(root);
  else throw new Error(`Cannot play the base ${image}: bases.ts does not know of what it is made; tell it there`);
}
