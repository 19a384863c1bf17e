# Toolchain file: from another machine to 64-bit Arm Linux, with Debian's and Ubuntu's packages g++-aarch64-linux-gnu and
# qemu-user. Nothing of the target's other libraries is needed: cmake/cross.cmake says what is built without them.
#
# Tests run in qemu-aarch64, as the processor that the environment variable QEMU_CPU names ("cortex-a76"); without it as
# one that has every extension that qemu knows.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)  # GoogleTest asks for one
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

find_program(LINNET_EMULATOR qemu-aarch64 DOC "Runs the tests of a cross build")
if(LINNET_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${LINNET_EMULATOR} -L /usr/aarch64-linux-gnu)
endif()
