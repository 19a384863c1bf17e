# What a cross build has instead of cmake/dependencies.cmake, and which folders it builds: those whose outside libraries
# are headers alone, or, as GoogleTest, come as sources. So no library of the target need be installed.
set(LINNET_CROSS_LAYERS base tensor quant formats ops autograd kernels nn)

if(NOT LINNET_EMULATOR)
  message(FATAL_ERROR "a cross build runs its tests in an emulator, and there is none: install qemu-user")
endif()

# /usr/include as a whole would hide the target's own headers of the C library.
set(headers ${PROJECT_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${headers})
foreach(name IN ITEMS fmt nlohmann histedit.h)
  if(NOT EXISTS /usr/include/${name})
    message(FATAL_ERROR "/usr/include/${name} is missing: scripts/packages.sh lists the packages that a build needs")
  endif()
  file(CREATE_LINK /usr/include/${name} ${headers}/${name} SYMBOLIC)
endforeach()

include_directories(SYSTEM ${headers})
add_library(fmt::fmt INTERFACE IMPORTED)
target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)
add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
add_library(PkgConfig::LIBEDIT INTERFACE IMPORTED)  # only a program that edits a line would be linked with it

find_package(Threads REQUIRED)

set(googletest /usr/src/googletest)
if(NOT EXISTS ${googletest})
  message(FATAL_ERROR "${googletest} is missing: install googletest")
endif()
set(BUILD_GMOCK OFF)
set(INSTALL_GTEST OFF)
add_subdirectory(${googletest} ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
foreach(target IN ITEMS gtest gtest_main)
  target_compile_options(${target} PRIVATE -w)  # its warnings are not ours
  get_target_property(includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
  set_target_properties(${target} PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${includes}")
endforeach()
