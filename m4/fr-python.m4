# FR_WITH_PYTHON: the interpreter to build for, by PYTHON= or the first on PATH
# (AM_PATH_PYTHON), virtual environments included, and the libpython that
# belongs to it, by its own sysconfig and never by a search: two of one
# version may stand side by side.  The flags are proven by a program that is
# linked and run.
AC_DEFUN([FR_WITH_PYTHON], [
AS_IF([test "x$PYTHON" != x && ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null],
  [AC_MSG_ERROR([$PYTHON is no Python 3.11 or later: give another by PYTHON=, or install the Debian package python3.])])
AM_PATH_PYTHON([3.11], [],
  [AC_MSG_ERROR([no Python 3.11 or later was found: install the Debian package python3 or give PYTHON=.])])
AC_MSG_CHECKING([what $PYTHON says of its libpython])
fr_python_vars=`"$PYTHON" - <<'FR_END'
import shlex
import sys
import sysconfig

get = sysconfig.get_config_var
shared = get("Py_ENABLE_SHARED") and ".so" in (get("LDLIBRARY") or "")
libdir, libpl, name = get("LIBDIR"), get("LIBPL"), "python" + (get("LDVERSION") or "")
if shared:
    libs = @<:@f"-L{libdir}", f"-l{name}"@:>@
    if libdir not in ("/usr/lib", "/usr/lib64", "/lib", f"/usr/lib/{get('MULTIARCH')}"):
        libs.append(f"-Wl,-rpath,{libdir}")
else:
    libs = @<:@f"-L{libpl}", f"-l{name}", get("LINKFORSHARED") or "", get("LIBS") or "", get("SYSLIBS") or ""@:>@
for key, value in (
    ("fr_python_shared", "yes" if shared else "no"),
    ("FR_PYTHON_FULL", sys.version.split()@<:@0@:>@),
    ("fr_python_sys_version", sys.version),
    ("fr_python_header", get("INCLUDEPY") + "/Python.h"),
    ("fr_python_includes", " ".join(dict.fromkeys(f"-I{get(k)}" for k in ("INCLUDEPY", "CONFINCLUDEPY")))),
    ("fr_python_libs", " ".join(libs)),
):
    print(f"{key}={shlex.quote(value)}")
FR_END`
AS_IF([test $? -ne 0 || test "x$fr_python_vars" = x],
  [AC_MSG_RESULT([nothing])
   AC_MSG_ERROR([$PYTHON does not run: give another by PYTHON=.])])
eval "$fr_python_vars"
AC_ARG_VAR([PYTHON_CFLAGS], [compiler flags for Python.h, instead of what the interpreter says])
AC_ARG_VAR([PYTHON_LIBS], [linker flags for libpython, instead of what the interpreter says])
AS_IF([test "x$PYTHON_CFLAGS" = x], [PYTHON_CFLAGS=$fr_python_includes])
AS_IF([test "x$PYTHON_LIBS" = x], [PYTHON_LIBS=$fr_python_libs])
AC_MSG_RESULT([$PYTHON_LIBS])

fr_save_CFLAGS=$CFLAGS
fr_save_LIBS=$LIBS
CFLAGS="$CFLAGS -w $PYTHON_CFLAGS"
LIBS="$PYTHON_LIBS $LIBS"
AC_MSG_CHECKING([for Python.h])
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include <Python.h>]])], [AC_MSG_RESULT([yes])],
  [AC_MSG_RESULT([no])
   AC_MSG_ERROR([$PYTHON has no headers ($fr_python_header): install the Debian package python3-dev.])])
AC_MSG_CHECKING([whether libpython is that of $PYTHON])
AC_LINK_IFELSE([AC_LANG_SOURCE([[
#include <Python.h>
#include <stdio.h>
int main(void) { fputs(Py_GetVersion(), stdout); return 0; }
]])], [
  AS_IF([test "x$cross_compiling" = xyes], [AC_MSG_RESULT([not run: cross-compiling])], [
    fr_python_linked=`./conftest$EXEEXT`
    # sys.version and Py_GetVersion() are the same text: number, build and compiler.
    AS_IF([test "x$fr_python_linked" = "x$fr_python_sys_version"], [AC_MSG_RESULT([yes, $FR_PYTHON_FULL])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([the libpython found ($PYTHON_LIBS) says it is <$fr_python_linked>, but $PYTHON is <$fr_python_sys_version>: give PYTHON= the interpreter that the library belongs to.])])
  ])
], [
  AC_MSG_RESULT([it does not link])
  AC_MSG_ERROR([$PYTHON has no libpython to embed ($PYTHON_LIBS): install the Debian package libpython3-dev, or an interpreter built with --enable-shared.])
])
CFLAGS=$fr_save_CFLAGS
LIBS=$fr_save_LIBS
AC_SUBST([PYTHON_CFLAGS])
AC_SUBST([PYTHON_LIBS])
AC_SUBST([FR_PYTHON_FULL])
AC_DEFINE_UNQUOTED([FR_PYTHON], ["$PYTHON"], [the interpreter that this build is for])
AC_DEFINE_UNQUOTED([FR_PYTHON_VERSION], ["$FR_PYTHON_FULL"], [its version])
])
