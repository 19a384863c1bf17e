# Compiler and linker flags that hold for every target.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# No contraction: a*b+c rounds the same on every compiler unless the code asks for an FMA by name.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror=return-type
                    -Werror=unused-result -ffp-contract=off -fno-math-errno)
# gcc 12 sees overlaps inside std::string that are not there; clang does not know the warning.
add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# A source takes some 300 MB to compile; collecting garbage before that takes a tenth of the time.
add_compile_options($<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=393216>)
# The baseline that every x86-64 machine since 2009 has; faster sets are chosen at run time, in kernels/.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_compile_options(-march=x86-64-v2)
endif()

if(LINNET_SANITIZE)
  add_compile_options(-fsanitize=${LINNET_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LINNET_SANITIZE})
endif()

if(LINNET_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "LINNET_FUZZ needs clang++ (found ${CMAKE_CXX_COMPILER_ID}): use `cmake --preset asan`")
  endif()
  # The libraries are measured for coverage; only the fuzz programs link libFuzzer's main.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/cmake/compile_cached.sh ${CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()

# Linking is the slowest step of a small change: two cores share one link at a time.
set_property(GLOBAL PROPERTY JOB_POOLS link=1)
set(CMAKE_JOB_POOL_LINK link)
