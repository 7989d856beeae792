; What is captured becomes the middle. `KIND.outer` is the whole of which the middle is the body,
; `block.container` holds statements, `comment_to_code.comment` stands above its code.

(call) @call
(call arguments: (argument_list) @arguments)

(function_definition body: (block) @function) @function.outer
(class_definition body: (block) @class) @class.outer

[(if_statement) (match_statement) (conditional_expression)] @conditional
[(for_statement) (while_statement)] @loop
(try_statement) @try
[(import_statement) (import_from_statement)] @import
(assignment right: (_) @assignment)
(augmented_assignment right: (_) @assignment)
(return_statement) @return
(type) @type
(decorator) @decorator
(string (interpolation)) @template_string

((comment) @comment_to_code.comment . (_) @comment_to_code)
[(module) (block)] @block.container
