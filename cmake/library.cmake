# The folders whose code runs long. The others, and all tests, are compiled fast instead of fast to run: for size in a
# release, not optimised at all under a sanitizer. That takes half of the time, and nobody can measure it in a run.
set(LINNET_COMPUTES base tensor quant ops autograd kernels nn text engine)

# Makes `target` a part of what the target `group` builds.
function(linnet_build_with group target)
  if(NOT TARGET ${group})
    add_custom_target(${group})
  endif()
  add_dependencies(${group} ${target})
endfunction()

# linnet_library(NAME SOURCES ... [DEPS layer ...] [LIBS target ...] [TESTS file ...] [THREADS] [THREAD_CASES pattern]
#                [SLOW_CASES pattern])
#   One static library per folder, linnet_NAME, and one GoogleTest program, linnet_NAME_test, from the TESTS beside
#   the sources. DEPS are the folders that NAME may include; LIBS are outside libraries. THREADS says that the
#   folder's code runs on several threads: its tests are then also run under ThreadSanitizer (label "threads"), all of
#   them or those that the GoogleTest filter THREAD_CASES names, where the others run on one thread only. SLOW_CASES
#   take minutes under a sanitizer, which would see nothing in them that other cases do not show: they are left out there.
function(linnet_library name)
  cmake_parse_arguments(ARG "THREADS" "THREAD_CASES;SLOW_CASES" "SOURCES;DEPS;LIBS;TESTS" ${ARGN})
  add_library(linnet_${name} STATIC ${ARG_SOURCES})
  target_include_directories(linnet_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  if(NOT name IN_LIST LINNET_COMPUTES)
    if(LINNET_SANITIZE)
      target_compile_options(linnet_${name} PRIVATE -O0)
    elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
      target_compile_options(linnet_${name} PRIVATE -Os)
    endif()
  endif()
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(linnet_${name} PUBLIC linnet_${dep})
  endforeach()
  target_link_libraries(linnet_${name} PUBLIC ${ARG_LIBS})
  if(ARG_TESTS)
    add_executable(linnet_${name}_test ${ARG_TESTS})
    target_link_libraries(linnet_${name}_test PRIVATE linnet_${name} GTest::gtest GTest::gtest_main)
    target_compile_options(linnet_${name}_test PRIVATE -O0)
    target_compile_definitions(linnet_${name}_test PRIVATE LINNET_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME unit.${name} COMMAND linnet_${name}_test)
    # GoogleTest takes one filter: the patterns to run, then "-" and those to leave out of them.
    set(filter "")
    if(ARG_THREADS AND ARG_THREAD_CASES AND LINNET_SANITIZE STREQUAL "thread")
      set(filter "${ARG_THREAD_CASES}")
    endif()
    if(ARG_SLOW_CASES AND LINNET_SANITIZE)
      string(APPEND filter "-${ARG_SLOW_CASES}")
    endif()
    if(filter)
      set_tests_properties(unit.${name} PROPERTIES ENVIRONMENT "GTEST_FILTER=${filter}")
    endif()
    linnet_build_with(unit_tests linnet_${name}_test)
    if(ARG_THREADS)
      set_tests_properties(unit.${name} PROPERTIES LABELS threads)
      linnet_build_with(threaded_tests linnet_${name}_test)
    endif()
  endif()
endfunction()
